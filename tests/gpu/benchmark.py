"""The inference core on one GPU, fed with Arrow batches as Spark feeds it: how near it comes to what is possible.

    python -m tests.gpu.benchmark --shapes clip-l14,so400m,b16-256 --batches 256,512,1024 --out tests/gpu/results

For each shape and batch size: the pure forward pass on ready tensors, what the cores decode, what nvJPEG decodes, the
whole core end to end in this process and through the host process, and the ratio of these to
min(forward, the faster decoder). Ratios are taken in one run. `--device cpu --shapes tiny` tries the script anywhere.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import joblib
import numpy as np
import pyarrow as pa
import torch

from tests.benchmarks.work_sets import SETS, jpegs
from tests.gpu.shapes import SHAPES, model_directory
from udfs.images.frames import decode_frame, frame_shape
from udfs.images.photo_error import PhotoError
from udfs.inference.engines.device import DeviceEngine
from udfs.inference.engines.device_decode import can_decode_on, decode_on_device
from udfs.inference.host.client import run_task
from udfs.inference.stream import stream
from udfs.inference.tasks import EMBED_PHOTOS
from udfs.models import ModelReference, settled
from udfs.models.transformers.kind import load_encoder

ARROW_BYTES = 4 * 1024 * 1024
"""jobs/spark/session.py has Spark cut its Arrow batches there; this script does without the jobs' packages."""
WARM_UP = 3
HEADINGS = (
    "model",
    "batch",
    "forward",
    "decode, cores",
    "decode, nvJPEG",
    "end to end",
    "ratio",
    "through the host",
    "ratio",
    "peak GiB",
    "least cosine",
)


@dataclass
class Row:
    """One line of the results: photos per second, and ratios of these."""

    model: str
    batch: int
    forward: float
    decode_cores: float
    decode_device: float | None
    end_to_end: float
    through_host: float
    ratio: float
    ratio_through_host: float
    stage_seconds: dict[str, float]
    peak_gib: float
    least_cosine: float


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", default="clip-l14,so400m,b16-256")
    parser.add_argument("--batches", default="256,512,1024")
    parser.add_argument("--photos", type=int, default=512, help="distinct photos, 1024x768; repeated as needed")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each end-to-end measurement, about")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", type=Path, default=Path(".claimlens/gpu-models"))
    parser.add_argument("--out", type=Path, default=Path("tests/gpu/results"))
    options = parser.parse_args(arguments)
    photos = [jpeg for jpeg in jpegs(SETS["a"], options.photos, seed=7) if _is_sound(jpeg)]
    rows: list[Row] = []
    for name in options.shapes.split(","):
        directory = model_directory(options.models, name)
        for batch in map(int, options.batches.split(",")):
            reference = settled(ModelReference(str(directory), device=options.device, dtype="bfloat16"))
            rows.append(measured(name, directory, Task(reference, photos, batch, options.seconds)))
            sys.stdout.write(f"{json.dumps(asdict(rows[-1]))}\n")
            sys.stdout.flush()
    _keep(options.out, options.device, rows, len(photos))
    return 0


@dataclass(frozen=True)
class Bounds:
    """What the parts can do by themselves, in photos per second."""

    forward: float
    decode_cores: float
    decode_device: float | None

    @property
    def limit(self) -> float:
        """What the whole can do at best: the slower of the forward pass and the faster decoder."""
        return min(self.forward, max(self.decode_cores, self.decode_device or 0.0))


@dataclass(frozen=True)
class Task:
    """What is to be embedded how: photos, repeated until they are `count`, in batches of `batch`."""

    reference: ModelReference
    photos: list[bytes]
    batch: int
    seconds: float

    def count(self, rate: float) -> int:
        """Photos for about `seconds` of work, in whole batches."""
        return max(6 * self.batch, int(rate * self.seconds) // self.batch * self.batch)


def measured(name: str, directory: Path, task: Task) -> Row:
    """All figures of one shape at one batch size."""
    bounds, key, count, (alone, stages), cosine, peak = _in_this_process(directory, task)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

    def through_host(rows: int) -> Iterator[pa.RecordBatch]:
        batches = _arrow(task.photos, rows)
        return run_task(batches, task.reference, key, "embed_photos", task.batch, idle_seconds=1.0)

    list(through_host(WARM_UP * task.batch))
    through, _ = _rate(count, lambda: through_host(count))
    time.sleep(4)  # the host leaves the GPU to the next shape
    return Row(
        SHAPES[name].title,
        task.batch,
        round(bounds.forward, 1),
        round(bounds.decode_cores, 1),
        None if bounds.decode_device is None else round(bounds.decode_device, 1),
        round(alone, 1),
        round(through, 1),
        round(alone / bounds.limit, 3),
        round(through / bounds.limit, 3),
        {stage: round(value, 2) for stage, value in stages.items()},
        round(peak, 2),
        round(cosine, 5),
    )


def _in_this_process(
    directory: Path, task: Task
) -> tuple[Bounds, str, int, tuple[float, dict[str, float]], float, float]:
    encoder = load_encoder(task.reference)
    workers = joblib.cpu_count()
    torch.set_num_threads(1)
    with ThreadPoolExecutor(workers) as cores:
        bounds = Bounds(
            _forward_rate(encoder, task.batch),
            _decode_rate(task.photos, encoder.pixels.at_least, cores, workers),
            _device_decode_rate(task.photos, encoder) if can_decode_on(encoder.device) else None,
        )
        count = task.count(bounds.limit)
        engine = DeviceEngine(encoder, cores, task.batch)
        list(stream(engine, EMBED_PHOTOS, _arrow(task.photos, WARM_UP * task.batch), "warm-up"))
        rate = _rate(count, lambda: stream(engine, EMBED_PHOTOS, _arrow(task.photos, count), "bench"))
        cosine = _least_cosine(engine, task.photos[:16], directory)
        peak = engine.gauges()["peak_bytes"] / 2**30
        engine.close()
    return bounds, encoder.model_key, count, rate, cosine, peak


def _forward_rate(encoder, batch: int) -> float:
    side = encoder.pixels.size if isinstance(encoder.pixels.size, int) else encoder.pixels.size[0]
    pixels = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8, device=encoder.device)
    inputs = {"pixel_values": encoder.pixels.normalise(pixels, encoder.dtype)}

    def once() -> None:
        for _ in range(4):
            encoder.features(inputs)
        if encoder.device.type == "cuda":
            torch.cuda.synchronize(encoder.device)

    once()
    return median(4 * batch / _seconds(once) for _ in range(5))


def _decode_rate(
    photos: list[bytes], at_least: tuple[int, int] | None, cores: ThreadPoolExecutor, workers: int
) -> float:
    def decode(start: int) -> None:
        for jpeg in photos[start::workers]:
            decode_frame(jpeg, at_least)

    def once() -> None:
        list(cores.map(decode, range(workers)))

    once()
    return median(len(photos) / _seconds(once) for _ in range(5))


def _device_decode_rate(photos: list[bytes], encoder) -> float:
    shapes = [frame_shape(jpeg, encoder.pixels.at_least) for jpeg in photos]

    def once() -> None:
        decode_on_device([memoryview(jpeg) for jpeg in photos], shapes, encoder.device)
        torch.cuda.synchronize(encoder.device)

    once()
    return median(len(photos) / _seconds(once) for _ in range(3))


def _arrow(photos: list[bytes], count: int) -> Iterator[pa.RecordBatch]:
    """Arrow batches as Spark sends them: ARROW_BYTES each."""
    held: list[bytes] = []
    size = sent = 0
    while sent < count:
        photo = photos[(sent + len(held)) % len(photos)]
        held.append(photo)
        size += len(photo)
        if size >= ARROW_BYTES or sent + len(held) == count:
            ids = [str(number) for number in range(sent, sent + len(held))]
            yield pa.RecordBatch.from_arrays([pa.array(ids), pa.array(held, pa.binary())], ["entity_id", "jpeg"])
            sent += len(held)
            held, size = [], 0


def _rate(count: int, run: Callable[[], Iterator[pa.RecordBatch]]) -> tuple[float, dict[str, float]]:
    """Photos per second, and seconds by stage."""
    stages: dict[str, float] = {}
    began = time.perf_counter()
    rows = 0
    for batch in run():
        rows += batch.num_rows
        for stage, value in batch.column("measures")[0].as_py():
            if stage in {"decode", "wait", "launch", "forward"}:
                stages[stage] = stages.get(stage, 0.0) + value
    seconds = time.perf_counter() - began
    assert rows == count, f"{rows} rows came back of {count}"
    return count / seconds, stages


def _least_cosine(engine: DeviceEngine, photos: list[bytes], directory: Path) -> float:
    """Against the same model in float32 on the CPU, its own processor and Pillow's full decoding."""
    from tests.benchmarks.fidelity import slow_vectors

    (result,) = stream(engine, EMBED_PHOTOS, _arrow(photos, len(photos)), "bench")
    ours = np.array(result.column("vector").to_pylist(), np.float32)
    return float((ours * slow_vectors(ModelReference(str(directory)), photos)).sum(axis=1).min())


def _is_sound(jpeg: bytes) -> bool:
    """Whether the direct way decodes it: the sets hold broken and progressive photos too."""
    if frame_shape(jpeg) is None:
        return False
    try:
        decode_frame(jpeg)
    except PhotoError:
        return False
    return True


def _seconds(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _keep(folder: Path, device: str, rows: list[Row], photos: int) -> None:
    name = torch.cuda.get_device_name() if device.startswith("cuda") else platform.processor() or "CPU"
    folder.mkdir(parents=True, exist_ok=True)
    slug = "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-") or "cpu"
    facts = {
        "device": name,
        "cores": joblib.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "photos": f"{photos} distinct JPEGs of 1024x768, quality 88",
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }
    (folder / f"{slug}.json").write_text(json.dumps({**facts, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
    lines = [
        f"# {name}, {facts['cores']} cores, torch {facts['torch']}, bfloat16, {facts['photos']}",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"| --- |{' --: |' * (len(HEADINGS) - 1)}",
    ]
    for row in rows:
        lines.append(
            f"| {row.model} | {row.batch} | {row.forward} | {row.decode_cores} | {row.decode_device or '-'} | "
            f"{row.end_to_end} | {row.ratio} | {row.through_host} | {row.ratio_through_host} | {row.peak_gib} | "
            f"{row.least_cosine} |"
        )
    lines += ["", "Photos per second; ratios to min(forward, the faster decoder), all of one run.", ""]
    (folder / f"{slug}.md").write_text("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
