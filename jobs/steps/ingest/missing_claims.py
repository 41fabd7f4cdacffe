"""Claims that a complete delivery no longer names: kept, flagged or removed, as ingest.claims.missing says."""

from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CLAIM_PHOTOS, CLAIMS
from jobs.lakehouse.writes import delete_keys, stage, upsert
from udfs.records.merging import MISSING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def settle_missing(context: JobContext, named: "DataFrame", *, complete: bool) -> dict[str, Any]:
    """Do with the claims that are not `named` (claim_id) what the setting says; their number is `missing` in any case.

    Where the records could not all be read (not `complete`), nobody knows which claims they do not name: all are kept,
    and `missing_kept` says why. A removed claim takes its links along; passages, assessments and index rows
    follow in their own jobs, as they do whenever a claim is gone.
    """
    from pyspark.sql import functions as F

    lakehouse, setting = context.lakehouse, context.settings.ingest.claims.missing
    gone = lakehouse.read(CLAIMS.name).join(named.distinct(), "claim_id", "left_anti")
    if setting == "keep":
        return {"missing": gone.count()}
    if not complete:
        reason = f"ingest.claims.missing = {setting} was left out: not every record could be read, or there was none"
        context.progress.say(reason)
        return {"missing": gone.count(), "missing_kept": reason}
    if setting == "flag":
        mark = F.array_append(F.coalesce("flags", F.array().cast("array<string>")), F.lit(MISSING))
        new = gone.where(~F.coalesce(F.array_contains("flags", MISSING), F.lit(False)))
        marked = new.withColumns(
            {"flags": mark, "ingested_at": F.lit(context.clock()), "run_id": F.lit(context.run_id)}
        )
        with stage(lakehouse, marked, context.run_id) as wave:
            flagged = upsert(lakehouse, wave.frame, CLAIMS.name, compare=("flags",))[1] if wave.rows else 0
        return {"missing": gone.count(), "missing_flagged": flagged}
    with stage(lakehouse, gone.select("claim_id"), context.run_id) as wave:
        if wave.rows:  # the claims last: they tell a run after a crash what is still to do
            delete_keys(lakehouse, wave.frame, CLAIM_PHOTOS.name)
            delete_keys(lakehouse, wave.frame, CLAIMS.name)
        return {"missing": wave.rows, "missing_removed": wave.rows}
