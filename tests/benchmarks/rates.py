"""What the cores can do at most: pure forward passes, and decoding with resizing, each by a process per core."""

import multiprocessing
import statistics
import time
from typing import Any

from tests.benchmarks.contract import Work

SECONDS = 2.0
SAMPLE = 32


def measure_rates(work: Work, began: float) -> dict[str, Any]:
    """Photos per second with all cores, medians over the passes, and CPU seconds per photo, of each stage alone."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(work.cores)
    answers = context.Queue()
    processes = [context.Process(target=_process, args=(work, barrier, answers)) for _ in range(work.cores)]
    for process in processes:
        process.start()
    measured = [answers.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    rates: dict[str, Any] = {"portion": measured[0]["portion"], "dtype": measured[0]["dtype"]}
    for stage in ("forward", "decode"):
        passes = [sum(one[stage][number][0] for one in measured) for number in range(work.passes)]
        cpu = [statistics.mean(one[stage][number][1] for one in measured) for number in range(work.passes)]
        rates[stage] = statistics.median(passes)
        rates[f"{stage}_cpu_seconds"] = statistics.median(cpu)
    return rates


def _process(work: Work, barrier: Any, answers: Any) -> None:
    import pyarrow.parquet as pq
    import torch

    from tests.benchmarks.batch_functions import kernel_encoder
    from udfs.images.frames import decode_frame
    from udfs.images.photo_error import PhotoError

    torch.set_num_threads(1)
    encoder = kernel_encoder(work.model)
    jpegs = pq.ParquetFile(work.files()[0]).read_row_group(0, columns=["jpeg"])["jpeg"].to_pylist()[:SAMPLE]

    def decode() -> int:
        for jpeg in jpegs:
            try:
                encoder.pixels.prepare(decode_frame(jpeg, encoder.pixels.at_least))
            except PhotoError:
                continue
        return len(jpegs)

    prepared = encoder.pixels.prepare(decode_frame(jpegs[0], encoder.pixels.at_least))
    batch = encoder.pixels.batch([prepared] * encoder.portion, encoder.device, encoder.dtype)

    portion = int(encoder.portion)

    def forward() -> int:
        encoder.features(batch)
        return portion

    result: dict[str, Any] = {"portion": encoder.portion, "dtype": str(encoder.dtype).removeprefix("torch.")}
    for stage, step in (("forward", forward), ("decode", decode)):
        step()
        result[stage] = []
        for _ in range(work.passes):
            barrier.wait(timeout=300)
            result[stage].append(_rate(step))
    answers.put(result)


def _rate(step: Any) -> tuple[float, float]:
    """Photos per second of one process, and its CPU seconds per photo."""
    began, cpu, photos = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < SECONDS:
        photos += step()
    return photos / (time.perf_counter() - began), (time.process_time() - cpu) / photos
