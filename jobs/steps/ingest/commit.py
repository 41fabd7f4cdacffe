"""One wave's outcomes into photos and photo_files: judged, then written; repeatable after a crash at any point."""

from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.job.report import Counts
from jobs.lakehouse.contracts import CLAIM_PHOTOS, PHOTO_FILES, PHOTOS
from jobs.lakehouse.writes import append_once, delete_keys, stage
from jobs.steps.ingest.plan import KEY, RETRYABLE, retryable_photos, stand_in
from udfs.errors import FailureRateError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def commit(context: JobContext, rows: "DataFrame", counts: Counts, *, retried: bool) -> Counts:
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
        by_code = _by_code(context, wave.frame)
        failed = sum(by_code.values())
        context.progress.advance(wave.rows, failed)
        judged = counts + Counts(wave.rows, wave.rows - failed, 0, failed, by_code)
        try:
            context.check_failure_rate(judged)
        except FailureRateError:
            passing = F.col("fresh") & F.coalesce(F.col("error_code").isin(RETRYABLE), F.lit(False))
            _write(context, wave.frame.where(~passing), retried=retried)
            raise
        inserted = _write(context, wave.frame, retried=retried)
        again = _failed_again(wave.frame) if retried else 0
    # Files that another run recorded in the meantime were not written by this one.
    written = max(inserted - (failed - again), 0)
    return counts + Counts(wave.rows, written, wave.rows - written - failed, failed, by_code)


def _write(context: JobContext, rows: "DataFrame", *, retried: bool) -> int:
    from pyspark.sql import functions as F

    lakehouse = context.lakehouse
    if retried:
        _forget_failures(context, rows)
    append_once(lakehouse, rows.where("fresh"), PHOTOS.name)
    files = rows.withColumns({"modification_time": F.timestamp_micros("micros"), "first_seen": F.col("ingested_at")})
    return append_once(lakehouse, files, PHOTO_FILES.name)


def _forget_failures(context: JobContext, rows: "DataFrame") -> None:
    """Remove the rows that stood for files which failed before and have another outcome now.

    The photo's row goes last, since it is what tells a later run that the file was tried: a crash before that leaves
    the file to do, and the rest of this to be repeated.
    """
    from pyspark.sql import functions as F

    lakehouse = context.lakehouse
    stood = rows.where("retried").withColumn("stand_in", stand_in(F.col("micros")))
    read = stood.where("photo_id <> stand_in").select(
        "path",
        F.timestamp_micros("micros").alias("modification_time"),
        "length",
        F.col("stand_in").alias("photo_id"),
    )
    settled = rows.where("fresh AND status = 'ok'").select("photo_id")
    failed = retryable_photos(lakehouse.read(PHOTOS.name))
    stale = failed.join(read.select("photo_id").union(settled), "photo_id", "left_semi")
    with stage(lakehouse, stale, context.run_id) as photos:
        if photos.rows:
            delete_keys(lakehouse, read.select("photo_id"), CLAIM_PHOTOS.name)
            delete_keys(lakehouse, read.select(*KEY, "photo_id"), PHOTO_FILES.name)
            delete_keys(lakehouse, photos.frame, PHOTOS.name)


def _failed_again(rows: "DataFrame") -> int:
    from pyspark.sql import functions as F

    return rows.where(F.col("retried") & (F.col("photo_id") == stand_in(F.col("micros")))).count()


def _by_code(context: JobContext, rows: "DataFrame") -> dict[str, int]:
    """Failed files by code; a file whose photo is known, or stands earlier in the wave, shares that photo's outcome."""
    from pyspark.sql import functions as F

    outcomes = rows.where("fresh").select("photo_id", "error_code")
    copies = rows.where("NOT fresh").select("photo_id")
    codes = outcomes.select("error_code")
    if not copies.isEmpty():
        photos = context.lakehouse.read(PHOTOS.name).select("photo_id", "error_code")
        known = outcomes.union(photos.where("error_code IS NOT NULL"))
        codes = codes.union(copies.join(known, "photo_id").select("error_code"))
    counted = codes.where("error_code IS NOT NULL").groupBy("error_code").agg(F.count(F.lit(1)).alias("files"))
    return {row["error_code"]: row["files"] for row in counted.collect()}
