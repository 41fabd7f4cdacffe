"""Files to photos: read once, hashed, sanitised once per distinct photo, and committed in waves."""

from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.job.report import Counts
from jobs.job.retries import Retries
from jobs.lakehouse.contracts import PHOTOS
from jobs.steps.ingest.commit import commit
from jobs.steps.ingest.comparison import stand_in
from jobs.steps.ingest.contents import FILE_SCHEMA, contents
from jobs.steps.ingest.plan import FILE, Plan
from udfs.functions.sanitise import SANITISED_SCHEMA, sanitise_batches
from udfs.outcome import ErrorCode, Status

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

NOT_READ = "the file was listed but its bytes could not be read"


def ingest_photos(context: JobContext, plan: Plan, counts: Counts, retries: Retries) -> Counts:
    """Work off the plan; `counts` of what went before are added to, and `retries` says when failures are due again.

    Raises:
        FailureRateError: too many photos failed; what was done is kept, but for failures that are tried again.
    """
    if plan.files == 0:
        return counts
    context.progress.start("ingest photos", plan.files)
    for number in range(plan.waves):
        rows = _outcomes(context, plan.portion(number), plan.tasks, retried=plan.repeats)
        counts = commit(context, rows, counts, retries, retried=plan.repeats)
    context.progress.finish()
    return counts


def _outcomes(context: JobContext, portion: "DataFrame", tasks: int, *, retried: bool) -> "DataFrame":
    unread = _unread_rows(portion.where("reason IS NOT NULL"))
    return unread.unionByName(_sanitised_rows(context, portion.where("reason IS NULL"), tasks, retried=retried))


def _sanitised_rows(context: JobContext, files: "DataFrame", tasks: int, *, retried: bool) -> "DataFrame":
    """One row per file: the columns of photos, those of FILE, and `fresh` where the photo has to be written."""
    import pyarrow as pa
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    read = contents(context, files, tasks)
    read = read.withColumn("photo_id", F.coalesce("photo_id", stand_in(F.col("micros"))))
    known = context.lakehouse.read(PHOTOS.name).select("photo_id")
    if retried:
        # What is tried again is not known: neither the file nor its copies.
        known = known.join(files.where("failed_as IS NOT NULL"), F.col("failed_as") == F.col("photo_id"), "left_anti")
    known = known.withColumn("known", F.lit(True))
    first = F.row_number().over(Window.partitionBy("photo_id").orderBy("path", "micros")) == 1
    # One shuffle of the bytes brings equal photos together; a fixed number of tasks, as adaptive execution would
    # make one of many small photos, and decode on one core.
    rows = read.repartition(tasks, "photo_id").join(known, "photo_id", "left")
    rows = rows.withColumn("fresh", F.col("known").isNull() & first)
    passed = pa.schema(
        [
            ("path", pa.string()),
            ("micros", pa.int64()),
            ("length", pa.int64()),
            ("failed_as", pa.string()),
            ("tried", pa.int32()),
            ("fresh", pa.bool_()),
            ("problem", pa.string()),
        ]
    )
    work = rows.select("photo_id", F.when(F.col("fresh"), F.col("content")).alias("content"), *passed.names)
    columns = {column.name: column.type for column in PHOTOS.columns}
    schema = ", ".join(f"{name} {columns[name]}" for name in SANITISED_SCHEMA.names)
    schema += f", {FILE_SCHEMA}, fresh BOOLEAN, problem STRING"
    done = work.mapInArrow(sanitise_batches(context.settings.ingest.limits, pass_through=passed), schema)
    told = F.concat(F.lit(f"{NOT_READ}: "), "problem")
    return done.withColumns(
        {
            "original_bytes": F.coalesce("original_bytes", "length"),
            "error_detail": F.when(F.col("problem").isNotNull(), told).otherwise(F.col("error_detail")),
        }
    ).drop("problem")


def _unread_rows(files: "DataFrame") -> "DataFrame":
    """Rows like those of `_sanitised_rows` for files that are not read, with `reason` as their code."""
    from pyspark.sql import functions as F

    values = {
        "photo_id": F.when(F.col("length") == 0, F.sha2(F.lit(b""), 256)).otherwise(stand_in(F.col("micros"))),
        "original_bytes": F.col("length"),
        "status": F.lit(str(Status.FAILED)),
        "error_code": F.col("reason"),
        "error_detail": F.when(F.col("reason") == str(ErrorCode.EMPTY), "the file holds zero bytes").otherwise(
            F.concat(F.col("length"), F.lit(" bytes are more than ingest.maximum_bytes allows"))
        ),
    }
    outcome = [column for column in PHOTOS.columns if column.name not in {"ingested_at", "run_id"}]
    photo = [values.get(column.name, F.lit(None)).cast(column.type).alias(column.name) for column in outcome]
    return files.select(*photo, *FILE, F.lit(True).alias("fresh"))
