"""One wave's outcomes into photos and photo_files: judged, then written; repeatable after a crash at any point."""

from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.job.report import Counts
from jobs.job.retries import RETRYABLE, Retries
from jobs.lakehouse.contracts import CLAIM_PHOTOS, PHOTO_FILES, PHOTOS
from jobs.lakehouse.writes import append_once, delete_keys, stage, upsert
from jobs.steps.ingest.comparison import KEY, UNDER, stand_in, under_now
from udfs.errors import FailureRateError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def commit(context: JobContext, rows: "DataFrame", counts: Counts, retries: Retries, *, retried: bool) -> Counts:
    """Write one wave and count it; `retried` says that files of this run failed in an earlier one.

    Photos are committed before the files that hold them: a crash between the two repeats a wave, which changes
    nothing that is there. The failure rate is judged before anything is written: where an outage stops the
    job, files that could not be read leave no row, and so are new to the next run.

    Raises:
        FailureRateError: too many photos failed.
    """
    from pyspark.sql import functions as F

    marked = rows.withColumns({"ingested_at": F.lit(context.clock()), "run_id": F.lit(context.run_id)})
    with stage(context.lakehouse, marked, context.run_id) as wave:
        if wave.rows == 0:
            return counts
        files = _with_outcomes(context, wave.frame)
        coded = files.where("error_code IS NOT NULL").groupBy("error_code").count()
        by_code = {row["error_code"]: row["count"] for row in coded.collect()}
        failed = sum(by_code.values())
        context.progress.advance(wave.rows, failed)
        judged = counts + Counts(wave.rows, wave.rows - failed, 0, failed, by_code)
        try:
            context.check_failure_rate(judged)
        except FailureRateError:
            settled = ~F.coalesce(F.col("error_code").isin(*RETRYABLE), F.lit(False))
            _write(context, wave.frame.where(settled | ~F.col("fresh")), files.where(settled), retries, retried=retried)
            raise
        recorded = _write(context, wave.frame, files, retries, retried=retried)
    # Files that another run recorded in the meantime were not written by this one.
    written = max(recorded - failed, 0)
    return counts + Counts(wave.rows, written, wave.rows - written - failed, failed, by_code)


def _with_outcomes(context: JobContext, rows: "DataFrame") -> "DataFrame":
    """Each file with photo_id, status and error_code: one whose photo is known, or stands earlier in the wave, shares
    that photo's."""
    columns = (*KEY[:1], "micros", "length", "failed_as", "tried", "photo_id", "ingested_at", "run_id")
    fresh = rows.where("fresh").select(*columns, "status", "error_code")
    copies = rows.where("NOT fresh").select(*columns)
    if copies.isEmpty():
        return fresh
    outcomes = fresh.select("photo_id", "status", "error_code")
    stored = context.lakehouse.read(PHOTOS.name).select("photo_id", "status", "error_code")
    known = outcomes.union(stored.join(outcomes, "photo_id", "left_anti"))
    return fresh.unionByName(copies.join(known, "photo_id", "left").select(*fresh.columns))


def _write(context: JobContext, rows: "DataFrame", files: "DataFrame", retries: Retries, *, retried: bool) -> int:
    """Photos, then files; gives how many files were recorded, anew or as tried again."""
    from pyspark.sql import functions as F

    lakehouse, photos = context.lakehouse, rows.where("fresh")
    tried = F.coalesce("tried", F.lit(0)) + 1
    files = files.withColumns(
        {
            "modification_time": F.timestamp_micros("micros"),
            "first_seen": F.col("ingested_at"),
            UNDER: under_now(context.settings.ingest, F.col("error_code")),
            **retries.after(tried),
        }
    )
    if not retried:
        append_once(lakehouse, photos, PHOTOS.name)
        return append_once(lakehouse, files, PHOTO_FILES.name)
    _forget_failures(context, files)
    upsert(lakehouse, photos, PHOTOS.name, compare=("status", "error_code"))
    again = files.where("failed_as IS NOT NULL")
    compare = ("photo_id", "attempts", "retry_after", UNDER, "gone_at")
    recorded = sum(
        upsert(lakehouse, again.withColumn("gone_at", F.lit(None).cast("timestamp")), PHOTO_FILES.name, compare=compare)
    )
    return recorded + append_once(lakehouse, files.where("failed_as IS NULL"), PHOTO_FILES.name)


def _forget_failures(context: JobContext, files: "DataFrame") -> None:
    """Remove the rows that stood for files which could not be read before and can now.

    The photo's row goes last, since it is what tells a later run that the file was tried: a crash before that leaves
    the file to do, and the rest of this to be repeated.
    """
    from pyspark.sql import functions as F

    lakehouse = context.lakehouse
    stood = files.where((F.col("failed_as") == stand_in(F.col("micros"))) & (F.col("failed_as") != F.col("photo_id")))
    stood = stood.select(*KEY, F.col("failed_as").alias("photo_id"))
    if not stood.isEmpty():
        delete_keys(lakehouse, stood.select("photo_id"), CLAIM_PHOTOS.name)
        delete_keys(lakehouse, stood, PHOTO_FILES.name)
        delete_keys(lakehouse, stood.select("photo_id"), PHOTOS.name)
