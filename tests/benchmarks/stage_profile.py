"""Where the time of ours goes: read, transport, decode, resize, copy, forward, write.

The stages inside the model's process come from the column `measures`. What Spark does is timed by jobs of parts: a
job that only reads, one that also carries the photos through Python and drops them, one that embeds, one that writes.
"""

import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.benchmarks.contract import Work
from tests.benchmarks.measure import cpu_seconds

INSIDE = ("decode", "resize", "copy", "forward", "wait")
"""Seconds of CPU on the CPU, but for `wait`."""


def profile_stages(work: Work, began: float) -> dict[str, Any]:
    """Seconds per 1,000 photos: wall and CPU of each job of parts, CPU of each stage; medians over the passes.

    Each pass runs all of the jobs, so that a machine whose speed changes is as fast for one as for the next.
    """
    import pyarrow as pa
    from pyspark.sql import functions as F

    from jobs.settings.sections import SparkSettings
    from jobs.spark.session import spark_session
    from tests.benchmarks.models import reference_to
    from udfs.functions.embed import EMBEDDING_SCHEMA, embed_photo_batches

    spark = spark_session(SparkSettings(master=f"local[{work.cores}]"))
    shutil.rmtree(work.scratch, ignore_errors=True)
    photos = spark.read.parquet(*map(str, work.files())).withColumnRenamed("photo_id", "entity_id")

    def dropped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch.select(["entity_id"])

    embedded = photos.mapInArrow(embed_photo_batches(reference_to(work.model)), EMBEDDING_SCHEMA)
    table = str(work.scratch / "table")
    jobs: dict[str, Callable[[], None]] = {
        "read": lambda: photos.write.format("noop").mode("overwrite").save(),
        "carried": lambda: photos.mapInArrow(dropped, "entity_id string").write.format("noop").mode("overwrite").save(),
        "embedded": lambda: embedded.write.format("noop").mode("overwrite").save(),
        "written": lambda: embedded.write.mode("overwrite").parquet(table),
    }

    def inside() -> dict[str, float]:
        measures = spark.read.parquet(table).select(F.explode("measures").alias("stage", "value"))
        sums = measures.groupBy("stage").agg(F.sum("value").alias("total")).collect()
        totals = {row["stage"]: row["total"] for row in sums}
        return {stage: 1000 * totals.get(stage, 0.0) / work.count for stage in INSIDE}

    for job in jobs.values():
        job()
    parts, stages = [], []
    for _ in range(work.passes):
        parts.append({name: _timed(job, work.count) for name, job in jobs.items()})
        stages.append(stages_of(parts[-1], inside()))
    medians = {name: _medians([one[name] for one in parts]) for name in jobs}
    return {"jobs": medians, "stages": _medians(stages), "cores": work.cores}


def _medians(passes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in passes) for name in passes[0]}


def stages_of(parts: dict[str, dict[str, float]], inside: dict[str, float]) -> dict[str, float]:
    """CPU seconds per 1,000 photos by stage. `rest` is what no stage accounts for: the way to the model's process and
    back, Spark's own work while it waits, and the measuring. `wait` is no work and is left out of it."""
    read, carried = parts["read"]["cpu_seconds"], parts["carried"]["cpu_seconds"]
    whole = parts["embedded"]["cpu_seconds"]
    work = {stage: seconds for stage, seconds in inside.items() if stage != "wait"}
    transport = max(0.0, carried - read)
    return {
        "read": read,
        "transport": transport,
        **work,
        "rest": whole - read - transport - sum(work.values()),
        "write": max(0.0, parts["written"]["cpu_seconds"] - whole),
        "wait": inside.get("wait", 0.0),
    }


def _timed(job: Callable[[], None], photos: int) -> dict[str, float]:
    cpu, wall = cpu_seconds(os.getpid()), time.perf_counter()
    job()
    wall, cpu = time.perf_counter() - wall, cpu_seconds(os.getpid()) - cpu
    return {"seconds": 1000 * wall / photos, "cpu_seconds": 1000 * cpu / photos}
