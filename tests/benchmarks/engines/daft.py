"""Daft: Parquet read, JPEGs decoded and resized by its Rust kernels, a class with a batch method, Parquet written.

One model in Daft's own process with torch on all cores, beside the threads that decode. With the same kernel it runs a
process per core; these live as long as a query, so all passes run in one.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.contract import SAME_KERNEL, Engine, Pass, Work


def start(work: Work) -> Pass:
    """See contract.Engine."""
    import daft
    import pyarrow as pa
    from daft.functions import decode_image, resize

    from tests.benchmarks.batch_functions import BATCH_ROWS
    from tests.benchmarks.pixels import target_size

    daft.set_runner_native()
    dtype = daft.DataType.list(daft.DataType.float32())
    timed = daft.DataType.struct({"vector": dtype, "finished_at": daft.DataType.float64()})

    @daft.cls(max_concurrency=work.cores, use_process=True)
    class SameKernel:
        def __init__(self) -> None:
            from tests.benchmarks.batch_functions import batch_function

            self._embed = batch_function(work)

        @daft.method.batch(return_dtype=timed, unnest=True, batch_size=BATCH_ROWS[work.encoder])
        def vectors(self, jpegs: daft.Series) -> Any:
            from tests.benchmarks.batch_functions import as_lists

            vectors = as_lists(self._embed(jpegs.to_pylist()))
            finished = pa.array([time.time()] * len(vectors))
            return pa.StructArray.from_arrays([vectors, finished], ["vector", "finished_at"])

    @daft.cls(max_concurrency=1, use_process=False)
    class Model:
        def __init__(self) -> None:
            from tests.benchmarks.pixels import pixel_function

            self._embed = pixel_function(str(work.model), work.encoder, work.cores)

        @daft.method.batch(return_dtype=dtype, batch_size=BATCH_ROWS[work.encoder])
        def vectors(self, pictures: daft.Series) -> Any:
            from tests.benchmarks.batch_functions import as_lists

            return as_lists(self._embed(pictures.to_pylist()))

    model = SameKernel() if work.track == SAME_KERNEL else Model()
    width, height = target_size(work)

    def one_pass(files: Sequence[Path], table: Path) -> None:
        photos = daft.read_parquet([str(file) for file in files])
        if work.track == SAME_KERNEL:
            embedded = photos.select("photo_id", model.vectors(daft.col("jpeg")))
        else:
            pictures = resize(decode_image(daft.col("jpeg"), on_error="null"), width, height)
            embedded = photos.select("photo_id", model.vectors(pictures).alias("vector"))
        embedded.write_parquet(str(table))

    return one_pass


ENGINE = Engine(
    title="Daft",
    interface={1: "decode_image and resize in Rust, a class with a batch method", 2: "a class in a process per core"},
    start=start,
    environment={"DO_NOT_TRACK": "true", "DAFT_PROGRESS_BAR": "0"},
    workers_per_query=frozenset({SAME_KERNEL}),
)
