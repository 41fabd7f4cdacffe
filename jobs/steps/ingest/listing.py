"""What is at ingest.photos now: every file's path, time and length, or what could not be listed."""

from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.errors import path_is_absent
from jobs.lakehouse.places import located
from jobs.steps.ingest.empty_files import empty_files
from udfs.errors import InputError, first_line
from udfs.functions.list_files import list_files, split_folders

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from jobs.settings.sections import IngestSettings

FOLDERS_PER_TASK = 16
"""Folders a task lists before they are shared out again: enough that one large folder does not hold up the rest."""


def listing(context: JobContext, tasks: int) -> "DataFrame":
    """path, modification_time, length and problem of everything at ingest.photos; not yet run, and to be run once.

    A directory is walked by the executors, `tasks` folders side by side; an address (s3://, abfss://) is
    listed by Spark, which has the rights to it. `problem` says of a folder or file why it could not be looked at.
    """
    place = photos_place(context.settings.ingest)
    settings = context.settings.ingest
    if is_local(place):
        return walked(context.spark, place, glob=settings.glob, recursive=settings.recursive, tasks=tasks)
    return _listed_by_spark(context, place)


def is_local(place: str) -> bool:
    """Whether the executors reach the files by a path of their own, /Volumes included."""
    return place.startswith(("/", "file:"))


def photos_place(settings: "IngestSettings") -> str:
    """ingest.photos as an absolute path, or as the address it is."""
    if not settings.photos:
        raise InputError("ingest.photos is not set; give the directory, glob or address of the photos.")
    return located(settings.photos)


def absent(photos: str | None) -> InputError:
    """The error that nothing is at ingest.photos."""
    return InputError(f"ingest.photos = {photos}: there is no such file or directory; correct the setting.")


def reader_options(settings: "IngestSettings") -> dict[str, str]:
    """The settings as options of Spark's file sources."""
    return {"pathGlobFilter": settings.glob, "recursiveFileLookup": str(settings.recursive).lower()}


def described(files: "DataFrame") -> "DataFrame":
    """Spark's columns of a binary file by the names that the tables have for them."""
    from pyspark.sql import functions as F

    return files.select("path", F.col("modificationTime").alias("modification_time"), "length")


def walked(spark: "SparkSession", place: str, *, glob: str, recursive: bool, tasks: int) -> "DataFrame":
    """path, modification_time, length and problem of the files at a local place, found by the executors."""
    from pyspark.sql import functions as F

    local = place.removeprefix("file://").removeprefix("file:")
    folders = spark.range(0, 1, 1, 1).mapInArrow(
        split_folders(local, recursive=recursive, enough=FOLDERS_PER_TASK * tasks),
        "folder STRING, deep BOOLEAN, problem STRING",
    )
    shared_out = folders.repartition(tasks)
    schema = "path STRING, micros BIGINT, length BIGINT, problem STRING"
    files = shared_out.mapInArrow(list_files(glob, recursive=recursive), schema)
    return files.select("path", F.timestamp_micros("micros").alias("modification_time"), "length", "problem")


def _listed_by_spark(context: JobContext, place: str) -> "DataFrame":
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    settings = context.settings.ingest
    reader = context.spark.read.format("binaryFile").option("ignoreMissingFiles", "true")
    for key, value in reader_options(settings).items():
        reader = reader.option(key, value)
    try:
        files = described(reader.load(place)).unionByName(_empty(context))
    except PySparkException as error:
        if not path_is_absent(error):
            raise
        raise absent(settings.photos) from None
    return files.withColumn("problem", F.lit(None).cast("string"))


def _empty(context: JobContext) -> "DataFrame":
    """Files of zero bytes at an address: Spark's sources pass over them in silence."""
    from pyspark.sql import functions as F

    rows = []
    try:
        rows = list(empty_files(context.settings.ingest))
    except (OSError, ValueError) as error:
        context.progress.say(f"empty files could not be looked for at ingest.photos: {first_line(error)}")
    frame = context.spark.createDataFrame(rows, "path STRING, micros BIGINT")
    time = F.timestamp_micros("micros").alias("modification_time")
    return frame.select("path", time, F.lit(0).cast("bigint").alias("length"))
