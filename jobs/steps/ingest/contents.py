"""The bytes of a wave's files: read by the executors where they reach the files themselves, else by Spark."""

from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.errors import path_is_absent
from jobs.steps.ingest.listing import is_local, photos_place
from jobs.steps.ingest.paths import literal_path
from jobs.steps.ingest.plan import FILE
from udfs.functions.read_files import read_files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FILE_SCHEMA = "path STRING, micros BIGINT, length BIGINT, failed_as STRING, tried INT"
READING_THREADS = 4
"""Files that a task reads at once: reading waits, and computes nothing but a hash."""


def contents(context: JobContext, files: "DataFrame", tasks: int) -> "DataFrame":
    """The columns of FILE, and photo_id, content and problem; no content and no photo_id where a file cannot be read.

    A path is opened as it is. Spark's own source of binary files would list each path again, with one task for each,
    take signs of globs for globs, and know no name that its locale cannot write. For an address it is the
    way all the same: it has the rights (Unity Catalog, instance profiles) that a process of ours has not.
    """
    settings = context.settings.ingest
    if is_local(photos_place(settings)) and not settings.auto_loader:
        schema = f"{FILE_SCHEMA}, photo_id STRING, content BINARY, problem STRING"
        spread = files.select(*FILE).repartition(tasks)
        return spread.mapInArrow(read_files(maximum_bytes=settings.maximum_bytes, threads=READING_THREADS), schema)
    return _read_by_spark(context, files)


def _read_by_spark(context: JobContext, files: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F

    rows = files.select(*FILE).collect()
    listed = context.spark.createDataFrame(rows, FILE_SCHEMA)
    loaded = _loaded(context, [row["path"] for row in rows])
    nothing = F.lit(None).cast("string")
    if not loaded:
        absent = {"photo_id": nothing, "content": nothing.cast("binary"), "problem": F.lit("No such file or directory")}
        return listed.withColumns(absent)
    read = loaded[0]
    for further in loaded[1:]:
        read = read.unionByName(further)
    hashed = read.withColumn("photo_id", F.sha2("content", 256)).join(listed, "path", "right")
    return hashed.withColumn("problem", nothing)


def _loaded(context: JobContext, paths: list[str]) -> "list[DataFrame]":
    """path and content of those files that are there. One that is gone is found by halving, not by a new listing of
    all that remain for each of them."""
    from pyspark.errors import PySparkException

    # Hadoop cannot look for a name that holds a colon beside a glob character.
    named = [literal_path(path) for path in paths if ":" not in path.rpartition("/")[2] or literal_path(path) == path]
    if not named:
        return []
    reader = context.spark.read.format("binaryFile")
    reader = reader.option("ignoreCorruptFiles", "true").option("ignoreMissingFiles", "true")
    try:
        return [reader.load(named).select("path", "content")]
    except PySparkException as error:
        if not path_is_absent(error):
            raise
    if len(paths) == 1:
        return []
    half = len(paths) // 2
    return _loaded(context, paths[:half]) + _loaded(context, paths[half:])
