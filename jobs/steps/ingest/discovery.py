"""Which photo files there are: seen once by a file stream, and again whenever they change."""

import hashlib
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import SOURCE_FILES
from jobs.lakehouse.places import located
from jobs.lakehouse.writes import append_once, stage
from jobs.steps.ingest.empty_files import empty_files
from udfs.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.settings.sections import IngestSettings

BINARY_FILE = "path STRING, modificationTime TIMESTAMP, length BIGINT, content BINARY"
FILES_PER_COMMIT = 100_000
KEY = list(SOURCE_FILES.key)


def listing(context: JobContext) -> "DataFrame":
    """Every photo file as it is now: path, modification_time, length. No file is opened.

    Raises:
        InputError: there is nothing at ingest.photos.
    """
    from pyspark.errors import AnalysisException

    settings = context.settings.ingest
    reader = context.spark.read.format("binaryFile").option("ignoreMissingFiles", "true")
    for key, value in _options(settings).items():
        reader = reader.option(key, value)
    try:
        files = reader.load(_photos(settings))
        return _described(files).unionByName(_empty(context))
    except AnalysisException as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise
        raise _absent(settings) from None


def discover(context: JobContext) -> "tuple[int, int, DataFrame | None]":
    """Append new file versions to source_files.

    Spark's own file stream never sees a path twice, so what changed under a known path is found by comparing the
    listing afterwards; Auto Loader sees changes itself and needs no listing. A lost checkpoint costs a
    second discovery only: what to do is decided by comparing tables, never by the stream's memory.

    Returns:
        Files that were discovered, files that had changed under a known path, and the listing.

    Raises:
        InputError: there is nothing at ingest.photos.
    """
    from pyspark.errors import AnalysisException

    lakehouse = context.lakehouse
    lakehouse.ensure(SOURCE_FILES.name)
    before = lakehouse.read(SOURCE_FILES.name).count()
    try:
        _stream(context)
    except AnalysisException as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise
        raise _absent(context.settings.ingest) from None
    streamed = lakehouse.read(SOURCE_FILES.name).count() - before
    current = None if context.settings.ingest.auto_loader else listing(context)
    there = _empty(context) if current is None else current
    changed = there.join(lakehouse.read(SOURCE_FILES.name), KEY, "left_anti")
    with stage(lakehouse, changed, context.run_id) as wave:
        if wave.rows == 0:
            return streamed, 0, current
        paths = lakehouse.read(SOURCE_FILES.name).select("path")
        known = wave.frame.join(paths, "path", "left_semi").count()
        added = append_once(lakehouse, wave.frame, SOURCE_FILES.name)
    return streamed + max(added - known, 0), min(known, added), current


def _stream(context: JobContext) -> None:
    settings, lakehouse = context.settings.ingest, context.lakehouse
    reader = context.spark.readStream
    if settings.auto_loader:
        reader = reader.format("cloudFiles").option("cloudFiles.format", "binaryFile")
        reader = reader.option("cloudFiles.allowOverwrites", "true")
        reader = reader.option("cloudFiles.maxFilesPerTrigger", FILES_PER_COMMIT)
    else:
        reader = reader.format("binaryFile").option("maxFilesPerTrigger", FILES_PER_COMMIT)
        reader = reader.option("ignoreMissingFiles", "true")
    for key, value in _options(settings).items():
        reader = reader.option(key, value)
    found = _described(reader.schema(BINARY_FILE).load(_photos(settings)))
    # Another directory is another stream: bookmarks of one mean nothing to the other.
    source = hashlib.sha256(repr((settings.photos, _options(settings))).encode()).hexdigest()[:16]
    writer = found.writeStream.format("delta").outputMode("append").trigger(availableNow=True)
    writer = writer.option("checkpointLocation", f"{lakehouse.checkpoints}/ingest/{source}")
    path = lakehouse.path(SOURCE_FILES.name)
    query = writer.toTable(lakehouse.name(SOURCE_FILES.name)) if path is None else writer.start(path)
    query.awaitTermination()


def _empty(context: JobContext) -> "DataFrame":
    from pyspark.sql import functions as F

    rows = []
    try:
        rows = list(empty_files(context.settings.ingest))
    except (OSError, ValueError) as error:
        context.progress.say(f"empty files could not be looked for at ingest.photos: {error}")
    frame = context.spark.createDataFrame(rows, "path STRING, micros BIGINT")
    time = F.timestamp_micros("micros").alias("modification_time")
    return frame.select("path", time, F.lit(0).cast("bigint").alias("length"))


def _described(files: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F

    return files.select("path", F.col("modificationTime").alias("modification_time"), "length")


def _options(settings: "IngestSettings") -> dict[str, str]:
    return {"pathGlobFilter": settings.glob, "recursiveFileLookup": str(settings.recursive).lower()}


def _photos(settings: "IngestSettings") -> str:
    if not settings.photos:
        raise InputError("ingest.photos is not set; give the directory, glob or address of the photos.")
    return located(settings.photos)


def _absent(settings: "IngestSettings") -> InputError:
    return InputError(f"ingest.photos = {settings.photos}: there is no such file or directory; correct the setting.")
