"""What there is to do: files at the source that the tables do not know, or know only by a failure worth another try."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import PHOTO_FILES
from jobs.lakehouse.snapshot import Snapshot
from jobs.lakehouse.writes import Wave, stage
from jobs.steps.ingest.listing import absent, listing
from udfs.functions.list_files import ABSENT
from udfs.outcome import ErrorCode, Status

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

KEY = list(PHOTO_FILES.key)
FILE = ["path", "micros", "length", "retried"]
RETRYABLE = [str(code) for code in ErrorCode if code.retryable]
WAVE = "wave"
WAVE_FILES = 2000
FILES_PER_CORE = 250
"""Files of a wave for each core: a commit takes seconds, so that a large cluster needs larger waves."""
FILES_PER_TASK = 16
"""Fewer files than this are not worth a task of their own."""


@dataclass(frozen=True)
class Plan:
    """The files to do, staged: path, micros, length, retried (it failed before), reason (why it is not to be read)."""

    frame: "DataFrame"
    files: int
    changed: int
    """Of these, under a path that is known with other contents."""
    retried: int
    waves: int
    tasks: int
    """Tasks that a wave is spread over."""
    problems: list[tuple[str, str]]
    """Folders and files that could not be looked at, and why."""

    def portion(self, number: int) -> "DataFrame":
        """The files of one wave."""
        from pyspark.sql import functions as F

        return self.frame if self.waves == 1 else self.frame.where(F.col(WAVE) == number)


def to_do(snapshot: Snapshot, files: "DataFrame") -> "DataFrame":
    """Files that photo_files does not hold in this version, and what could not be looked at.

    A failure that may be gone the next time does not count as known: such a file is `retried`.
    """
    from pyspark.sql import functions as F

    known = snapshot.read(PHOTO_FILES.name).select(*KEY, "photo_id")
    failed = retryable_photos(snapshot.read("photos"))
    if failed.isEmpty():
        return files.join(known, KEY, "left_anti").withColumn("retried", F.lit(False))
    pending = files.join(known.join(failed, "photo_id", "left_anti"), KEY, "left_anti")
    tried = failed.select(F.col("photo_id").alias("stand_in"), F.lit(True).alias("tried"))
    pending = pending.withColumn("stand_in", stand_in(F.unix_micros("modification_time"))).join(
        tried, "stand_in", "left"
    )
    return pending.withColumn("retried", F.coalesce("tried", F.lit(False))).drop("stand_in", "tried")


def retryable_photos(photos: "DataFrame") -> "DataFrame":
    """Ids of photos whose failure may be gone the next time."""
    return photos.where(_retryable()).select("photo_id")


def settled_photos(photos: "DataFrame") -> "DataFrame":
    """Ids of all other photos: what became of them stays."""
    return photos.where(~_retryable()).select("photo_id")


def _retryable() -> "Column":
    from pyspark.sql import functions as F

    return (F.col("status") == str(Status.FAILED)) & F.coalesce(F.col("error_code").isin(RETRYABLE), F.lit(False))


def stand_in(micros: "Column") -> "Column":
    """The photo_id of a file whose bytes cannot be hashed."""
    from pyspark.sql import functions as F

    return F.sha2(F.concat_ws("|", "path", micros.cast("string"), F.col("length").cast("string")), 256)


def stage_plan(context: JobContext, snapshot: Snapshot, tasks: int) -> tuple[Plan, list[Wave]]:
    """Look for files, and stage those to do; the stagings are to be discarded by whoever works the plan off.

    Raises:
        InputError: there is nothing at ingest.photos.
    """
    from pyspark.sql import functions as F

    settings, lakehouse = context.settings.ingest, context.lakehouse
    reason = F.when(F.col("length") > settings.maximum_bytes, F.lit(str(ErrorCode.TOO_MANY_BYTES)))
    reason = reason.when(F.col("length") == 0, F.lit(str(ErrorCode.EMPTY)))
    micros = F.unix_micros("modification_time").alias("micros")
    pending = to_do(snapshot, found_files(context, tasks))
    found = stage(
        lakehouse,
        pending.select("path", micros, "length", "retried", "problem", reason.alias("reason")),
        context.run_id,
    )
    staged = [found]
    try:
        problems = [] if found.rows == 0 else _problems(found.frame)
        if any(problem == ABSENT for _, problem in problems):
            raise absent(settings)
        files = found.frame.where("problem IS NULL").drop("problem")
        number = found.rows - len(problems)
        size = settings.wave_photos or max(WAVE_FILES, FILES_PER_CORE * tasks)
        waves = -(-number // size)
        if waves > 1:
            bucket = F.pmod(F.xxhash64("path", "micros", "length"), F.lit(waves)).cast("int")
            # Sorted by wave, so that each wave reads only its own part of the plan.
            ordered = stage(lakehouse, files.withColumn(WAVE, bucket).orderBy(WAVE), context.run_id)
            staged.append(ordered)
            files = ordered.frame
        spread = settings.partitions or max(1, min(tasks, -(-number // FILES_PER_TASK)))
        retried = files.where("retried").count() if number else 0
        changed = _changed(files, snapshot) if number else 0
        return Plan(files, number, changed, retried, waves, spread, problems), staged
    except BaseException:
        for wave in staged:
            wave.discard()
        raise


def found_files(context: JobContext, tasks: int) -> "DataFrame":
    """Every file version to compare with the tables: path, modification_time, length and problem."""
    from pyspark.sql import functions as F

    if not context.settings.ingest.auto_loader:
        return listing(context, tasks)
    # A file that was reported twice, after a lost checkpoint, is one file.
    reported = context.lakehouse.read("source_files").select(*KEY).distinct()
    return reported.withColumn("problem", F.lit(None).cast("string"))


def _problems(found: "DataFrame") -> list[tuple[str, str]]:
    rows = found.where("problem IS NOT NULL").select("path", "problem").orderBy("path").collect()
    return [(row["path"], row["problem"]) for row in rows]


def _changed(files: "DataFrame", snapshot: Snapshot) -> int:
    new = files.where("NOT retried").select("path")
    return new.join(snapshot.read(PHOTO_FILES.name).select("path"), "path", "left_semi").count()
