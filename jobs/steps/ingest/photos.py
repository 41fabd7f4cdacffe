"""Pending file versions to photos: read once, hashed in the JVM, sanitised once per distinct photo, in waves."""

from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.job.report import Counts
from jobs.lakehouse.contracts import PHOTO_FILES, PHOTOS
from jobs.lakehouse.writes import Wave, append_once, stage
from jobs.steps.ingest.discovery import KEY
from jobs.steps.ingest.paths import literal_path
from udfs.outcome import ErrorCode, Status

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

WAVE = "wave"
FILE = ["path", "micros", "length"]


def pending_files(context: JobContext, files: "DataFrame") -> "DataFrame":
    """File versions among `files` that photo_files does not hold: path, modification_time, length."""
    distinct = files.select(*KEY).distinct()
    if not context.lakehouse.exists(PHOTO_FILES.name):
        return distinct
    return distinct.join(context.lakehouse.read(PHOTO_FILES.name), KEY, "left_anti")


def ingest_photos(context: JobContext, current: "DataFrame | None", counts: Counts) -> Counts:
    """Work off every pending file version; `counts` of what went before are added to.

    Photos are committed before the files that hold them: a crash between the two repeats a wave, which changes
    nothing that is there.

    Raises:
        FailureRateError: too many photos failed; the waves done so far are kept.
    """
    from pyspark.sql import functions as F

    lakehouse, settings = context.lakehouse, context.settings.ingest
    lakehouse.ensure(PHOTOS.name, PHOTO_FILES.name)
    pending = pending_files(context, lakehouse.read("source_files"))
    reason = F.when(F.col("length") > settings.maximum_bytes, F.lit(str(ErrorCode.TOO_MANY_BYTES)))
    reason = reason.when(F.col("length") == 0, F.lit(str(ErrorCode.EMPTY)))
    if current is not None:
        # A version that is gone, or was replaced since, cannot be read any more.
        there = current.select(*KEY, F.lit(True).alias("there"))
        pending = pending.join(there, KEY, "left")
        reason = reason.when(F.col("there").isNull(), F.lit(str(ErrorCode.UNREADABLE)))
    total = pending.count()
    if total == 0:
        return counts
    waves = -(-total // settings.wave_photos)
    bucket = F.pmod(F.xxhash64(*KEY), F.lit(waves)).cast("int").alias(WAVE)
    micros = F.unix_micros("modification_time").alias("micros")
    planned = pending.select("path", micros, "length", reason.alias("reason"), bucket)
    context.progress.start("ingest photos", total)
    # Sorted by wave, so that each wave reads only its own part of the plan.
    with stage(lakehouse, planned.orderBy(WAVE), context.run_id) as plan:
        for number in range(waves):
            portion = plan.frame.where(F.col(WAVE) == number)
            readable = [tuple(row) for row in portion.where(F.col("reason").isNull()).select(*FILE).collect()]
            rows = _unread_rows(portion.where(F.col("reason").isNotNull()))
            if readable:
                rows = rows.unionByName(_readable_rows(context, readable), allowMissingColumns=True)
            counts = _commit(context, rows, counts)
            context.check_failure_rate(counts)
    context.progress.finish()
    return counts


def _readable_rows(context: JobContext, files: list[tuple[str, int, int]]) -> "DataFrame":
    contents, vanished = _contents(context, [path for path, _, _ in files])
    listed = context.spark.createDataFrame(files, "path STRING, micros BIGINT, length BIGINT")
    if vanished:
        context.progress.say(f"{len(vanished)} files could not be opened")
    if contents is None:
        return _unread_rows(listed.selectExpr("*", f"'{ErrorCode.UNREADABLE}' AS reason"))
    return _sanitised_rows(context, listed, contents)


def _contents(context: JobContext, paths: list[str]) -> "tuple[DataFrame | None, list[str]]":
    """The bytes of the files (path, content), and the paths that are no longer there. Unreadable ones are left out."""
    from pyspark.errors import AnalysisException

    # Hadoop cannot look for a name that holds a colon beside a glob character.
    vanished = [path for path in paths if ":" in path.rpartition("/")[2] and literal_path(path) != path]
    remaining = {path: literal_path(path) for path in paths if path not in set(vanished)}
    while remaining:
        reader = context.spark.read.format("binaryFile")
        reader = reader.option("ignoreCorruptFiles", "true").option("ignoreMissingFiles", "true")
        try:
            return reader.load(list(remaining.values())).select("path", "content"), vanished
        except AnalysisException as error:
            named = (error.getMessageParameters() or {}).get("path", "")
            gone = [path for path, literal in remaining.items() if named in {path, literal}]
            if error.getCondition() != "PATH_NOT_FOUND" or not gone:
                raise
            for path in gone:
                del remaining[path]
            vanished += gone
    return None, vanished


def _sanitised_rows(context: JobContext, listed: "DataFrame", contents: "DataFrame") -> "DataFrame":
    """One row per file: the columns of photos, those of FILE, and `fresh` where the photo has to be written."""
    import pyarrow as pa
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    from udfs.functions.sanitise import SANITISED_SCHEMA, sanitise_batches
    from udfs.images.sanitise import SanitiseLimits

    settings = context.settings.ingest
    limits = SanitiseLimits(
        longest_side=settings.longest_side,
        jpeg_quality=settings.jpeg_quality,
        maximum_bytes=settings.maximum_bytes,
        maximum_pixels=settings.maximum_pixels,
    )
    read = contents.withColumn("hash", F.sha2("content", 256)).join(listed, "path", "right")
    read = read.withColumn("photo_id", F.coalesce("hash", _stand_in()))
    known = context.lakehouse.read(PHOTOS.name).select("photo_id", F.lit(True).alias("known"))
    first = F.row_number().over(Window.partitionBy("photo_id").orderBy("path", "micros")) == 1
    # One shuffle of the bytes brings equal photos together; a fixed number of tasks, as adaptive execution would
    # make one of many small photos, and decode on one core.
    rows = read.repartition(settings.partitions, "photo_id").join(known, "photo_id", "left")
    rows = rows.withColumn("fresh", F.col("known").isNull() & first)
    passed = pa.schema([("path", pa.string()), ("micros", pa.int64()), ("length", pa.int64()), ("fresh", pa.bool_())])
    work = rows.select("photo_id", F.when(F.col("fresh"), F.col("content")).alias("content"), *passed.names)
    columns = {column.name: column.type for column in PHOTOS.columns}
    schema = ", ".join(f"{name} {columns[name]}" for name in SANITISED_SCHEMA.names)
    schema += ", path STRING, micros BIGINT, length BIGINT, fresh BOOLEAN"
    done = work.mapInArrow(sanitise_batches(limits, pass_through=passed), schema)
    return done.withColumn("original_bytes", F.coalesce("original_bytes", "length"))


def _unread_rows(files: "DataFrame") -> "DataFrame":
    """Rows like those of `_sanitised_rows` for files that are not read, with `reason` as their code."""
    from pyspark.sql import functions as F

    values = {
        "photo_id": F.when(F.col("length") == 0, F.sha2(F.lit(b""), 256)).otherwise(_stand_in()),
        "original_bytes": F.col("length"),
        "status": F.lit(str(Status.FAILED)),
        "error_code": F.col("reason"),
        "error_detail": F.when(F.col("reason") == str(ErrorCode.EMPTY), "the file holds zero bytes")
        .when(
            F.col("reason") == str(ErrorCode.TOO_MANY_BYTES),
            F.concat(F.col("length"), F.lit(" bytes are more than ingest.maximum_bytes allows")),
        )
        .otherwise("the file was listed but its bytes could not be read"),
    }
    outcome = [column for column in PHOTOS.columns if column.name not in {"ingested_at", "run_id"}]
    photo = [values.get(column.name, F.lit(None)).cast(column.type).alias(column.name) for column in outcome]
    return files.select(*photo, *FILE, F.lit(True).alias("fresh"))


def _stand_in() -> "Column":
    """The photo_id of a file whose bytes cannot be hashed."""
    from pyspark.sql import functions as F

    return F.sha2(F.concat_ws("|", "path", F.col("micros").cast("string"), F.col("length").cast("string")), 256)


def _commit(context: JobContext, rows: "DataFrame", counts: Counts) -> Counts:
    from pyspark.sql import functions as F

    lakehouse = context.lakehouse
    marked = rows.withColumns({"ingested_at": F.lit(context.clock()), "run_id": F.lit(context.run_id)})
    with stage(lakehouse, marked, context.run_id) as wave:
        if wave.rows == 0:
            return counts
        append_once(lakehouse, wave.frame.where("fresh"), PHOTOS.name)
        files = wave.frame.withColumns(
            {"modification_time": F.timestamp_micros("micros"), "first_seen": F.col("ingested_at")}
        )
        inserted = append_once(lakehouse, files, PHOTO_FILES.name)
        by_code = _by_code(context, wave)
    failed = sum(by_code.values())
    # Files that another run recorded in the meantime were not written by this one.
    written = max(inserted - failed, 0)
    context.progress.advance(wave.rows, failed)
    return counts + Counts(wave.rows, written, wave.rows - written - failed, failed, by_code)


def _by_code(context: JobContext, wave: Wave) -> dict[str, int]:
    """Failed files by code; a file that holds a photo already known shares that photo's outcome."""
    from pyspark.sql import functions as F

    outcomes = context.lakehouse.read(PHOTOS.name).where("status = 'failed'").select("photo_id", "error_code")
    failed = wave.frame.select("photo_id").join(outcomes, "photo_id").groupBy("error_code")
    return {row["error_code"]: row["files"] for row in failed.agg(F.count(F.lit(1)).alias("files")).collect()}
