"""Does the process that holds the model grow? 50,000 photos through it, its memory read after every thousand."""

import itertools
import os
import statistics
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.contract import Work
from tests.benchmarks.measure import resident_bytes, tree

PHOTOS = 50_000
SAMPLED_EVERY = 1_000
SETTLED_AFTER = 5_000
"""Photos after which allocator and buffers have taken what they need."""


def measure_growth(work: Work, began: float) -> dict[str, Any]:
    """Resident bytes of the model's process and of the task's, every 1,000 of `count` photos from a cycled set."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tests.benchmarks.models import reference_to
    from udfs.functions.embed import embed_photo_batches

    names = ["entity_id", "jpeg"]

    def cycled() -> Iterator[pa.RecordBatch]:
        given = 0
        for file in itertools.cycle(work.files()):
            for batch in pq.ParquetFile(file).iter_batches(64):
                if given >= work.count:
                    return
                given += batch.num_rows
                yield batch.rename_columns(names)

    host, done, samples = 0, 0, []
    for batch in embed_photo_batches(reference_to(work.model))(cycled()):
        host = host or int(batch.column("worker")[0].as_py().rpartition(":")[2])
        before, done = done, done + batch.num_rows
        if before // SAMPLED_EVERY != done // SAMPLED_EVERY:
            task = sum(resident_bytes(process.pid) for process in tree(os.getpid()) if process.pid != host)
            samples.append({"photos": done, "host_bytes": resident_bytes(host), "task_bytes": task})
    if not samples:
        raise RuntimeError(f"{done} photos are too few; take {SAMPLED_EVERY} or more")
    return {"samples": samples, **growth(samples)}


def growth(samples: list[dict[str, float]]) -> dict[str, float]:
    """Megabytes at the beginning (after 5,000 photos, when it has settled) and at the end, and the growth per 10,000
    photos: the median of the slopes between samples (Theil and Sen), which a single outlier does not tilt."""
    settled = [sample for sample in samples if sample["photos"] >= SETTLED_AFTER] or samples[-2:]
    slopes = [
        (right["host_bytes"] - left["host_bytes"]) / (right["photos"] - left["photos"])
        for left, right in itertools.combinations(settled, 2)
        if right["photos"] > left["photos"]
    ]
    slope = statistics.median(slopes) if slopes else 0.0
    return {
        "first_mb": settled[0]["host_bytes"] / 1e6,
        "last_mb": settled[-1]["host_bytes"] / 1e6,
        "first_photos": settled[0]["photos"],
        "photos": settled[-1]["photos"],
        "mb_per_10000": slope * 10_000 / 1e6,
    }
