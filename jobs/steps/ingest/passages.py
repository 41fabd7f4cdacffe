"""The passages of the claims' narratives, each text once, and the links from claims to them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CLAIM_PASSAGES, CLAIMS, PASSAGES
from jobs.lakehouse.writes import append_once, delete_keys, stage, upsert

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LINK = list(CLAIM_PASSAGES.key)
WHOLE = [*LINK, "passage_id"]


@dataclass(frozen=True)
class _Differences:
    """What keeps passages and links from being what the narratives ask for."""

    lacking: "DataFrame"
    """Links that are not there, lead elsewhere, or lead to a passage that is not there; with the text."""
    gone: "DataFrame"
    """Links that no narrative asks for."""
    orphans: "DataFrame"
    """Passages that no narrative asks for."""

    def any(self) -> bool:
        """Whether there is something to do, in one query."""
        found = self.lacking.select("passage_id").union(self.gone.select("claim_id"))
        return not found.union(self.orphans.select("passage_id")).isEmpty()


def derive_passages(context: JobContext) -> dict[str, int]:
    """Bring passages and claim_passages in step with claims.narrative: one passage a narrative, none for a blank one.

    A changed narrative replaces the claim's link, and a passage that no claim has any more is removed. What is left
    half done, by a killed run or by another run at the same time, the next one finds and mends.

    Returns:
        Counts: `written` links that are new or lead elsewhere, `removed` links that are gone, `passages_written` and
        `passages_removed`.
    """
    from pyspark.sql import functions as F

    lakehouse = context.lakehouse
    lakehouse.ensure(CLAIMS.name, PASSAGES.name, CLAIM_PASSAGES.name)
    counts = {"written": 0, "removed": 0, "passages_written": 0, "passages_removed": 0}
    if not _differences(context).any():
        return counts
    lacking = _differences(context).lacking
    marked = lacking.withColumns({"first_seen": F.lit(context.clock()), "run_id": F.lit(context.run_id)})
    with stage(lakehouse, marked, context.run_id) as new:
        if new.rows:  # passages first: a link leads to one that is there
            counts["passages_written"] = append_once(lakehouse, new.frame, PASSAGES.name)
            counts["written"] = sum(upsert(lakehouse, new.frame, CLAIM_PASSAGES.name, compare=("passage_id",)))
    counts["removed"] = _delete(context, _differences(context).gone, CLAIM_PASSAGES.name)
    counts["passages_removed"] = _delete(context, _differences(context).orphans, PASSAGES.name)
    return counts


def _differences(context: JobContext) -> _Differences:
    lakehouse = context.lakehouse
    wanted, links = _wanted(lakehouse.read(CLAIMS.name)), lakehouse.read(CLAIM_PASSAGES.name).select(*WHOLE)
    known = lakehouse.read(PASSAGES.name).select("passage_id")
    there = links.join(known, "passage_id", "left_semi").select(*WHOLE)
    return _Differences(
        lacking=wanted.join(there, WHOLE, "left_anti"),
        gone=links.join(wanted, LINK, "left_anti").select(*LINK),
        orphans=known.join(wanted, "passage_id", "left_anti"),
    )


def _wanted(claims: "DataFrame") -> "DataFrame":
    """claim_id, position, passage_id, text of every passage that the claims have."""
    from pyspark.sql import functions as F

    narrative = F.col("narrative")
    return claims.where(F.length(F.trim(narrative)) > 0).select(
        "claim_id", F.lit(0).alias("position"), F.sha2(narrative, 256).alias("passage_id"), narrative.alias("text")
    )


def _delete(context: JobContext, keys: "DataFrame", table: str) -> int:
    with stage(context.lakehouse, keys, context.run_id) as found:
        return delete_keys(context.lakehouse, found.frame, table) if found.rows else 0
