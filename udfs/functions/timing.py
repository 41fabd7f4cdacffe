"""Time an Arrow iterator inside Spark and throw its results away: what a job will take, without doing it."""

import os
import socket
import time
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.pandas.types import from_arrow_schema

from udfs.functions.batches import BatchFunction
from udfs.outcome import Status

ARROW_TIMING_SCHEMA = pa.schema(
    [
        ("host", pa.string()),
        ("began", pa.float64()),
        ("ended", pa.float64()),
        ("rows", pa.int64()),
        ("failed", pa.int64()),
        ("cores", pa.int32()),
        ("gpus", pa.int32()),
        ("measures", pa.map_(pa.string(), pa.float64())),
    ]
)
"""What timed_batches gives: one row per task that had rows. `began` and `ended` are seconds since the epoch; `cores`
and `gpus` are what this process may use of its host; `measures` are the last ones of the task, which hold the gauges of
the process with the model: load_seconds and batch_size among them."""
TIMING_SCHEMA = from_arrow_schema(ARROW_TIMING_SCHEMA)
"""The same for Spark."""


def timed_batches(run: BatchFunction) -> BatchFunction:
    """Around the function for DataFrame.mapInArrow that embeds: the same work, and one row per task that times it."""

    def timing(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from udfs.inference.host.placement import gpu_count

        began = time.time()
        rows = failed = 0
        measures: list[tuple[str, float]] | None = None
        for batch in run(batches):
            rows += batch.num_rows
            failed += pc.sum(pc.equal(batch.column("status"), str(Status.FAILED))).as_py() or 0
            measures = (batch.column("measures")[0].as_py() if batch.num_rows else None) or measures
        ended = time.time()
        if rows:
            row = [socket.gethostname(), began, ended, rows, failed, _cores(), gpu_count(), measures]
            columns = [pa.array([value], field.type) for value, field in zip(row, ARROW_TIMING_SCHEMA, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=ARROW_TIMING_SCHEMA)

    return timing


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
