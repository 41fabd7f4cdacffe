"""What there is to do: files at the source that the tables do not know, or know by a failure worth another try."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.job.retries import Retries
from jobs.lakehouse.contracts import PHOTO_FILES
from jobs.lakehouse.snapshot import Snapshot
from jobs.lakehouse.writes import Wave, stage
from jobs.steps.ingest.comparison import BACK, GONE, KEY, NEW, RETRY, Known, compared
from jobs.steps.ingest.listing import absent, listing, photos_place
from udfs.errors import InputError
from udfs.functions.list_files import ABSENT
from udfs.outcome import ErrorCode

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

FILE = ["path", "micros", "length", "failed_as", "tried"]
WAVE = "wave"
WAVE_FILES = 2000
FILES_PER_CORE = 250
"""Files of a wave for each core: a commit takes seconds, so that a large cluster needs larger waves."""
FILES_PER_TASK = 16
"""Fewer files than this are not worth a task of their own."""


@dataclass(frozen=True)
class Plan:
    """What one comparison of source and tables found. `frame` are the files to do, staged: path, micros, length,
    failed_as (the photo_id that stands for its failure), tried (how often), reason (why it is not to be read)."""

    frame: "DataFrame"
    files: int
    changed: int
    """Of these, under a path that is known with other contents."""
    retried: int
    """Of these, known by a failure."""
    repeats: bool
    """Whether any of them failed before: also where a run that was killed has left only that."""
    waves: int
    tasks: int
    """Tasks that a wave is spread over."""
    problems: list[tuple[str, str]]
    """Folders and files that could not be looked at, and why."""
    turned: "DataFrame"
    """Versions of files, by KEY, that are gone from the source or came back, with `state` GONE or BACK; staged."""
    turns: int
    """How many these are."""
    known: Known

    def portion(self, number: int) -> "DataFrame":
        """The files of one wave."""
        from pyspark.sql import functions as F

        return self.frame if self.waves == 1 else self.frame.where(F.col(WAVE) == number)


def stage_plan(context: JobContext, snapshot: Snapshot, tasks: int, retries: Retries) -> tuple[Plan, list[Wave]]:
    """Look for files, and stage those to do; the stagings are to be discarded by whoever works the plan off.

    Raises:
        InputError: there is nothing at ingest.photos, or it cannot be listed.
    """
    from pyspark.sql import functions as F

    settings, lakehouse = context.settings.ingest, context.lakehouse
    reason = F.when(F.col("length") > settings.maximum_bytes, F.lit(str(ErrorCode.TOO_MANY_BYTES)))
    reason = reason.when(F.col("length") == 0, F.lit(str(ErrorCode.EMPTY)))
    differing, told = compared(snapshot, found_files(context, tasks), settings, retries)
    found = stage(lakehouse, differing.withColumn("reason", reason), context.run_id)
    staged = [found]
    try:
        problems = [] if found.rows == 0 else _problems(found.frame)
        _check_place(settings.photos or "", photos_place(settings), problems)
        to_do = found.frame.where(F.col("state").isin(NEW, RETRY))
        counted = {} if found.rows == 0 else {row["state"]: row for row in _counted(found.frame)}
        number = sum(counted[state]["files"] for state in (NEW, RETRY) if state in counted)
        retried = counted[RETRY]["files"] if RETRY in counted else 0
        repeats = any(row["failed"] for row in counted.values())
        files = to_do.select(*FILE, "reason")
        size = settings.wave_photos or max(WAVE_FILES, FILES_PER_CORE * tasks)
        waves = -(-number // size)
        if waves > 1:
            bucket = F.pmod(F.xxhash64("path", "micros", "length"), F.lit(waves)).cast("int")
            # Sorted by wave, so that each wave reads only its own part of the plan.
            ordered = stage(lakehouse, files.withColumn(WAVE, bucket).orderBy(WAVE), context.run_id)
            staged.append(ordered)
            files = ordered.frame
        spread = settings.partitions or max(1, min(tasks, -(-number // FILES_PER_TASK)))
        changed = _changed(files, snapshot) if number else 0
        turns = sum(row["turned"] for row in counted.values())
        turned = found.frame.withColumn("modification_time", F.timestamp_micros("micros"))
        turned = turned.where((F.col("state") == GONE) | F.col("was_gone"))
        turned = turned.select(*KEY, F.when(F.col("state") == GONE, GONE).otherwise(BACK).alias("state"))
        return Plan(files, number, changed, retried, repeats, waves, spread, problems, turned, turns, told()), staged
    except BaseException:
        for wave in staged:
            wave.discard()
        raise


def files_to_do(context: JobContext, snapshot: Snapshot, tasks: int, retries: Retries) -> int:
    """How many files a run would do; stages nothing.

    Raises:
        InputError: there is nothing at ingest.photos, or it cannot be listed.
    """
    from pyspark.sql import functions as F

    settings = context.settings.ingest
    differing, _ = compared(snapshot, found_files(context, tasks), settings, retries)
    wanted = F.count_if(F.col("state").isin(NEW, RETRY))
    place = photos_place(settings)
    at_place = F.collect_set(F.when(F.regexp_replace("path", "^file:", "") == place, F.col("problem")))
    counted = differing.agg(wanted, at_place).collect()[0]
    _check_place(settings.photos or "", place, [(place, problem) for problem in counted[1]])
    return int(counted[0])


def found_files(context: JobContext, tasks: int) -> "DataFrame":
    """The file versions that there are now: path, modification_time, length and problem."""
    from pyspark.sql import functions as F

    if not context.settings.ingest.auto_loader:
        return listing(context, tasks)
    # Auto Loader tells of every version that there was, and of one twice after a lost checkpoint.
    reported = context.lakehouse.read("source_files").groupBy("path")
    newest = reported.agg(F.max(F.struct("modification_time", "length")).alias("newest"))
    return newest.select("path", "newest.*", F.lit(None).cast("string").alias("problem"))


def _counted(found: "DataFrame") -> "list[Row]":
    from pyspark.sql import functions as F

    turned = F.count_if((F.col("state") == GONE) | F.col("was_gone")).alias("turned")
    again = F.count_if(F.col("state").isin(NEW, RETRY) & F.col("failed_as").isNotNull()).alias("failed")
    return found.groupBy("state").agg(F.count(F.lit(1)).alias("files"), again, turned).collect()


def _check_place(setting: str, place: str, problems: list[tuple[str, str]]) -> None:
    for path, problem in problems:
        if problem == ABSENT:
            raise absent(setting)
        if path.removeprefix("file:").rstrip("/") == place.removeprefix("file:").rstrip("/"):
            raise InputError(
                f"ingest.photos = {setting}: {problem}; nothing was changed. Ingest again once it can be listed."
            )


def _problems(found: "DataFrame") -> list[tuple[str, str]]:
    rows = found.where("problem IS NOT NULL").select("path", "problem").orderBy("path").collect()
    return [(row["path"], row["problem"]) for row in rows]


def _changed(files: "DataFrame", snapshot: Snapshot) -> int:
    new = files.where("failed_as IS NULL").select("path")
    return new.join(snapshot.read(PHOTO_FILES.name).select("path"), "path", "left_semi").count()
