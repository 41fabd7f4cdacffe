"""The passages of the claims' narratives, each text once, and the links from claims to them."""

from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CLAIM_PASSAGES, CLAIMS, PASSAGES
from jobs.lakehouse.writes import append_once, delete_keys, stage, upsert

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


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
    wanted, links = _wanted(lakehouse.read(CLAIMS.name)), lakehouse.read(CLAIM_PASSAGES.name)
    known = lakehouse.read(PASSAGES.name)
    key = list(CLAIM_PASSAGES.key)
    # A link counts only where its passage is there: another run may have removed it before the link came.
    there = links.join(known, "passage_id", "left_semi").select(*key, "passage_id")
    lacking = wanted.join(there, [*key, "passage_id"], "left_anti").withColumn("run_id", F.lit(context.run_id))
    counts = {"written": 0, "removed": 0, "passages_written": 0, "passages_removed": 0}
    with stage(lakehouse, lacking, context.run_id) as new:
        if new.rows:
            texts = new.frame.withColumn("first_seen", F.lit(context.clock()))
            counts["passages_written"] = append_once(lakehouse, texts, PASSAGES.name)
            counts["written"] = sum(upsert(lakehouse, new.frame, CLAIM_PASSAGES.name, compare=("passage_id",)))
    gone = lakehouse.read(CLAIM_PASSAGES.name).join(wanted, key, "left_anti").select(*key)
    counts["removed"] = _delete(context, gone, CLAIM_PASSAGES.name)
    orphans = lakehouse.read(PASSAGES.name).join(lakehouse.read(CLAIM_PASSAGES.name), "passage_id", "left_anti")
    counts["passages_removed"] = _delete(context, orphans.select("passage_id"), PASSAGES.name)
    return counts


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
