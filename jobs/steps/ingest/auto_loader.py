"""Photo files as Databricks Auto Loader reports them: appended to source_files, changed ones again."""

import hashlib

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import SOURCE_FILES
from jobs.lakehouse.errors import path_is_absent
from jobs.steps.ingest.listing import absent, described, photos_place, reader_options

BINARY_FILE = "path STRING, modificationTime TIMESTAMP, length BIGINT, content BINARY"
FILES_PER_COMMIT = 100_000


def follow(context: JobContext) -> None:
    """Append what Auto Loader has not reported before; reads metadata only, so that no unreadable file can stop it.

    A lost checkpoint costs a second discovery only: what to do is decided by comparing tables.

    Raises:
        InputError: there is nothing at ingest.photos.
    """
    from pyspark.errors import PySparkException

    settings, lakehouse = context.settings.ingest, context.lakehouse
    lakehouse.ensure(SOURCE_FILES.name)
    reader = context.spark.readStream.format("cloudFiles").option("cloudFiles.format", "binaryFile")
    reader = reader.option("cloudFiles.allowOverwrites", "true")
    reader = reader.option("cloudFiles.maxFilesPerTrigger", FILES_PER_COMMIT)
    for key, value in reader_options(settings).items():
        reader = reader.option(key, value)
    # Another directory is another stream: bookmarks of one mean nothing to the other.
    source = hashlib.sha256(repr((settings.photos, reader_options(settings))).encode()).hexdigest()[:16]
    path = lakehouse.path(SOURCE_FILES.name)
    try:
        found = described(reader.schema(BINARY_FILE).load(photos_place(settings)))
        writer = found.writeStream.format("delta").outputMode("append").trigger(availableNow=True)
        writer = writer.option("checkpointLocation", f"{lakehouse.checkpoints}/ingest/{source}")
        query = writer.toTable(lakehouse.name(SOURCE_FILES.name)) if path is None else writer.start(path)
        query.awaitTermination()
    except PySparkException as error:
        if not path_is_absent(error):
            raise
        raise absent(settings.photos) from None
