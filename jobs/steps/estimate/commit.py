"""What a wave costs once its vectors are staged: classifying them, and merging both into the tables."""

import json
import time
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import EMBEDDINGS
from jobs.lakehouse.places import remove_directory
from jobs.lakehouse.tables import Lakehouse
from jobs.lakehouse.writes import append_once, stage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ASSUMED_SECONDS = 5.0
"""Of one commit to a catalog's table that no run of embed has timed yet."""
REHEARSED_ROWS = 256
TELLING_WAVES = 5
"""A run with fewer waves has told more about the driver's compiling than about commits."""


def commit_seconds(context: JobContext, dimension: int, *, classifies: bool) -> tuple[float, str]:
    """Seconds of commits per wave, and where the figure comes from.

    The newest run of embed on these tables with at least TELLING_WAVES waves knows best. Without one, tables in a
    directory are rehearsed on: vectors of noise are committed to a table of the same contract beside them, which is
    then removed. A catalog's tables cannot be rehearsed on without leaving traces there, so a commit is assumed to
    take ASSUMED_SECONDS.

    Args:
        dimension: of the vectors.
        classifies: photos are classified in the same pass: their predictions are staged and committed too.
    """
    told = _last_told(context)
    if told is not None:
        return told
    if context.settings.tables.catalog:
        return (1 + classifies) * ASSUMED_SECONDS, f"assumed: {ASSUMED_SECONDS:g} s a commit"
    staging, merging = _rehearsed_seconds(context, dimension)
    return merging + classifies * (staging + merging), "rehearsed here"


def _last_told(context: JobContext) -> tuple[float, str] | None:
    from pyspark.sql import functions as F

    if not context.lakehouse.exists("job_runs"):
        return None
    told = F.get_json_object("report", "$.waves").cast("int") >= TELLING_WAVES
    runs = context.lakehouse.read("job_runs").where((F.col("job") == "embed") & told)
    newest = runs.orderBy(F.desc("finished_at")).first()
    if newest is None:
        return None
    report = json.loads(newest["report"])
    return report["commit_seconds"] / report["waves"], f"embed's run {newest['run_id']}"


def _rehearsed_seconds(context: JobContext, dimension: int) -> tuple[float, float]:
    """Seconds of staging, and of merging, a few rows."""
    from jobs.settings.sections import TableSettings

    place = f"{context.lakehouse.staging}/{context.run_id}"
    scratch = Lakehouse(context.spark, TableSettings(root=f"{place}/rehearsal"))
    staging = merging = 0.0
    try:
        for attempt in ("first", "second"):  # the first one makes the table, and the driver compiles what it needs
            began = time.monotonic()
            with stage(scratch, _noise(context, attempt, dimension), context.run_id) as wave:
                staged = time.monotonic()
                append_once(scratch, wave.frame, EMBEDDINGS.name)
                staging, merging = staged - began, time.monotonic() - staged
    finally:
        remove_directory(place)
    return staging, merging


def _noise(context: JobContext, named: str, dimension: int) -> "DataFrame":
    from pyspark.sql import functions as F

    vector = F.array_repeat(F.rand(seed=1).cast("float"), dimension)
    values = {
        "entity": F.lit("photo"),
        "entity_id": F.concat(F.lit(named), F.col("id")),
        "model_key": F.lit("noise"),
        "vector": vector,
        "dimension": F.lit(dimension),
        "norm": F.lit(1.0),
        "status": F.lit("ok"),
        "embedded_at": F.lit(context.clock()),
        "run_id": F.lit(context.run_id),
    }
    columns = [
        values.get(column.name, F.lit(None)).cast(column.type).alias(column.name) for column in EMBEDDINGS.columns
    ]
    return context.spark.range(REHEARSED_ROWS).select(*columns)
