"""One process that holds the model for all tasks, against a model in each Spark worker: 1, 2 and 4 tasks at once.

Both run the same kernel on the same photos in Spark; only where the model lives differs.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.contract import Pass, Work

TASKS = (1, 2, 4)
WAYS = ("host", "per_worker")


def measure_residency(work: Work, began: float) -> dict[str, Any]:
    """Cold start and passes of one way (work.variant is WAY-TASKS)."""
    import time

    from tests.benchmarks.cell import steady_passes

    way, _, tasks = work.variant.partition("-")
    one_pass = _start(work, way, int(tasks))
    one_pass(sorted(work.first.glob("*.parquet")), work.scratch / "first")
    cold = time.time() - began
    return {"cold_start_seconds": cold, "passes": steady_passes(work, one_pass)}


def _start(work: Work, way: str, tasks: int) -> Pass:
    import pyarrow as pa

    from jobs.settings.sections import SparkSettings
    from jobs.spark.session import spark_session
    from tests.benchmarks.models import reference_to
    from udfs.functions.embed import EMBEDDING_SCHEMA, embed_photo_batches

    spark = spark_session(SparkSettings(master=f"local[{tasks}]"))
    if way == "host":
        embed: Any = embed_photo_batches(reference_to(work.model))
        schema: Any = EMBEDDING_SCHEMA
    else:
        schema = "entity_id string, vector array<float>"

        def embed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            from tests.benchmarks.batch_functions import as_lists, same_kernel

            vectors_of = same_kernel(str(work.model), 1)
            for batch in batches:
                vectors = as_lists(vectors_of(batch["jpeg"].to_pylist()))
                yield pa.RecordBatch.from_arrays([batch["entity_id"], vectors], ["entity_id", "vector"])

    def one_pass(files: Sequence[Path], table: Path) -> None:
        photos = spark.read.parquet(*map(str, files)).withColumnRenamed("photo_id", "entity_id")
        photos.repartition(tasks).mapInArrow(embed, schema).write.parquet(str(table))

    return one_pass
