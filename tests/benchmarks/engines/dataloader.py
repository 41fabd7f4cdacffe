"""PyTorch alone, the ceiling: a DataLoader whose workers decode for the model in the main process.

On track 2 it is the plain loop: one process per core that reads Parquet, runs the kernel and writes Parquet.
"""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.contract import SAME_KERNEL, Engine, Pass, Work

ROWS_READ = 64


def start(work: Work) -> Pass:
    """See contract.Engine."""
    return _plain_loop(work) if work.track == SAME_KERNEL else _loader(work)


def _loader(work: Work) -> Pass:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch
    from torch.utils.data import DataLoader

    from tests.benchmarks.batch_functions import BATCH_ROWS, as_lists, hugging_face_model

    torch.set_num_threads(work.cores)
    features = hugging_face_model(str(work.model))

    @functools.cache
    def loader(files: tuple[Path, ...]) -> Any:
        photos = _batches_of(files, work, BATCH_ROWS[work.encoder])
        return DataLoader(photos, batch_size=None, num_workers=work.cores, persistent_workers=True)

    def one_pass(files: Sequence[Path], table: Path) -> None:
        table.mkdir()
        schema = pa.schema([("photo_id", pa.string()), ("vector", pa.list_(pa.float32()))])
        with pq.ParquetWriter(table / "vectors.parquet", schema) as writer:
            for ids, rows, pixels in loader(tuple(files)):
                vectors: list[Any] = [None] * len(ids)
                for row, vector in zip(rows, features(pixels) if rows else [], strict=True):
                    vectors[row] = vector
                writer.write_batch(pa.record_batch([pa.array(ids), as_lists(vectors)], schema=schema))

    return one_pass


def _batches_of(files: Sequence[Path], work: Work, rows: int) -> Any:
    """Batches (ids, rows that decode, pixels [n, 3, height, width]) of the files, shared out among the workers."""
    import torch
    from torch.utils.data import IterableDataset, get_worker_info

    class Photos(IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[tuple[list[str], list[int], torch.Tensor]]:
            import pyarrow.parquet as pq

            worker = get_worker_info()
            assert worker is not None  # the loader is always given workers
            prepare = _preparation(work)
            for file in files[worker.id :: worker.num_workers]:
                for batch in pq.ParquetFile(file).iter_batches(rows):
                    pixels = [prepare(jpeg) for jpeg in batch["jpeg"].to_pylist()]
                    kept = [row for row, values in enumerate(pixels) if values is not None]
                    stacked = torch.stack([pixels[row] for row in kept]) if kept else torch.empty(0)
                    yield batch["photo_id"].to_pylist(), kept, stacked

    return Photos()


def _preparation(work: Work) -> Any:
    """torchvision's way: its JPEG decoder and its transforms on uint8."""
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg
    from torchvision.transforms import v2

    from tests.benchmarks.models import SIDE
    from tests.benchmarks.pixels import normalisation

    mean, std = normalisation(work.model)
    if work.encoder == "mobilenet":
        resizing: list[Any] = [v2.Resize((SIDE, SIDE), v2.InterpolationMode.BILINEAR, antialias=True)]
    else:
        resizing = [v2.Resize(SIDE, v2.InterpolationMode.BICUBIC, antialias=True), v2.CenterCrop(SIDE)]
    transform = v2.Compose([*resizing, v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)])

    def prepare(jpeg: bytes) -> Any:
        try:
            content = torch.frombuffer(bytearray(jpeg), dtype=torch.uint8)
            return transform(decode_jpeg(content, mode=ImageReadMode.RGB))
        except RuntimeError:
            return None

    return prepare


def _plain_loop(work: Work) -> Pass:
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    pipes = []
    for number in range(work.cores):
        near, far = context.Pipe()
        context.Process(target=_plain_process, args=(work, number, far), daemon=True).start()
        pipes.append(near)
    for pipe in pipes:
        pipe.recv()

    def one_pass(files: Sequence[Path], table: Path) -> None:
        table.mkdir()
        for pipe in pipes:
            pipe.send((list(files), table))
        answers = [pipe.recv() for pipe in pipes]
        if any(answers):
            raise RuntimeError(next(filter(None, answers)))

    return one_pass


def _plain_process(work: Work, number: int, pipe: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tests.benchmarks.batch_functions import as_lists, batch_function

    embed = batch_function(work)
    schema = pa.schema([("photo_id", pa.string()), ("vector", pa.list_(pa.float32()))])
    pipe.send(None)
    while True:
        files, table = pipe.recv()
        error = None
        try:
            for file in files[number :: work.cores]:
                with pq.ParquetWriter(table / file.name, schema) as writer:
                    for batch in pq.ParquetFile(file).iter_batches(ROWS_READ):
                        vectors = as_lists(embed(batch["jpeg"].to_pylist()))
                        writer.write_batch(pa.record_batch([batch["photo_id"], vectors], schema=schema))
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
        pipe.send(error)


ENGINE = Engine(
    title="PyTorch alone",
    interface={1: "DataLoader, torchvision's decoder and transforms", 2: "plain loop, a process per core"},
    start=start,
)
