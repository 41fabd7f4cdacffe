"""Ray Data: read_parquet, map_batches with a class in a pool of actors, write_parquet.

The actors live as long as one dataset's execution, so all passes run in one; the passes are cut by the time at which
their batches were done. One actor per core, one torch thread each. Ray counts CPUs by what is asked of it: with no more
of them than cores the actors take them all, and the read waits forever.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.contract import Engine, Pass, Work


def start(work: Work) -> Pass:
    """See contract.Engine."""
    import pyarrow as pa
    import ray

    from tests.benchmarks.batch_functions import BATCH_ROWS

    ray.init(
        num_cpus=4 * work.cores,
        include_dashboard=False,
        logging_level="ERROR",
        _temp_dir=f"/tmp/claimlens-ray-{os.getpid()}",
        runtime_env={"env_vars": {"PYTHONPATH": str(Path.cwd())}},
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False

    class Embedder:
        def __init__(self) -> None:
            from tests.benchmarks.batch_functions import batch_function

            self._embed = batch_function(work)

        def __call__(self, batch: "pa.Table") -> "pa.Table":
            from tests.benchmarks.batch_functions import as_lists

            vectors = as_lists(self._embed(batch["jpeg"].to_pylist()))
            done = pa.array([time.time()] * batch.num_rows)
            return pa.table({"photo_id": batch["photo_id"], "vector": vectors, "finished_at": done})

    def one_pass(files: Sequence[Path], table: Path) -> None:
        photos: Any = ray.data.read_parquet([str(file) for file in files])
        embedded = photos.map_batches(
            Embedder,
            batch_format="pyarrow",
            batch_size=BATCH_ROWS[work.encoder],
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=work.cores),
        )
        embedded.write_parquet(str(table))

    return one_pass


ENGINE = Engine(
    title="Ray Data",
    interface={1: "map_batches with an actor per core, Pillow, Hugging Face processor", 2: "map_batches, actors"},
    start=start,
    workers_per_query=frozenset({1, 2}),
)
