"""On a real GPU: the same vectors as on the CPU, memory that runs out, a device that is lost, nvJPEG."""

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from tests.models import build_clip, build_mobilenet_v1, build_siglip

LOSE_THE_DEVICE = """
import torch
from udfs.inference.device_errors import is_device_lost
try:
    torch.zeros(2, device="cuda")[torch.tensor([7], device="cuda")]
    torch.cuda.synchronize()
except Exception as error:
    print("lost" if is_device_lost(error) else "not lost")
"""


@pytest.fixture(scope="module", autouse=True)
def cuda():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device on this machine")
    return torch.cuda


def jpegs(count: int, width: int = 640, height: int = 480) -> list[bytes]:
    made = []
    for seed in range(count):
        small = np.random.default_rng(seed).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=88)
        made.append(file.getvalue())
    return made


def embedded(engine, photos: list[bytes]) -> np.ndarray:
    from udfs.inference.stream import stream
    from udfs.inference.tasks import EMBED_PHOTOS

    batch = pa.RecordBatch.from_arrays(
        [pa.array([str(row) for row in range(len(photos))]), pa.array(photos, pa.binary())], ["entity_id", "jpeg"]
    )
    table = pa.Table.from_batches(list(stream(engine, EMBED_PHOTOS, [batch], "test")))
    assert set(table.column("status").to_pylist()) == {"ok"}
    return np.array(table.column("vector").to_pylist(), np.float32)


@pytest.fixture
def engine_on():
    from udfs.inference.engines import engine_for
    from udfs.models import ModelReference
    from udfs.models.transformers.kind import load_encoder

    opened = []

    def make(folder, device: str, dtype: str, batch_size: int = 8):
        cores = ThreadPoolExecutor(2)
        encoder = load_encoder(ModelReference(str(folder), device=device, dtype=dtype))
        opened.append((engine_for(encoder, cores, 2, batch_size), cores))
        return opened[-1][0]

    yield make
    for engine, cores in opened:
        engine.close()
        cores.shutdown()


@pytest.mark.parametrize(
    ("build", "dtype"), [(build_clip, "bfloat16"), (build_siglip, "bfloat16"), (build_mobilenet_v1, "float16")]
)
def test_the_gpu_gives_the_vectors_of_the_cpu(tmp_path, engine_on, build, dtype):
    folder = build(tmp_path / "model")
    photos = [*jpegs(21), *jpegs(9, 333, 500)]
    on_gpu = embedded(engine_on(folder, "cuda", dtype), photos)
    on_cpu = embedded(engine_on(folder, "cpu", "float32"), photos)
    assert (on_gpu * on_cpu).sum(axis=1).min() > 0.999


def test_a_batch_too_large_for_the_gpu_is_halved_and_the_size_kept(tmp_path, engine_on, cuda):
    engine = engine_on(build_clip(tmp_path / "clip"), "cuda", "bfloat16", batch_size=4096)
    photos = jpegs(32) * 128
    cuda.empty_cache()
    cuda.set_per_process_memory_fraction(0.004)
    try:
        vectors = embedded(engine, photos)
    finally:
        cuda.set_per_process_memory_fraction(1.0)
    assert len(vectors) == 4096
    assert engine.portion < 4096


def test_a_lost_device_is_told_from_a_photo_that_fails():
    # In a process of its own: this error poisons the one it happens in.
    done = subprocess.run([sys.executable, "-c", LOSE_THE_DEVICE], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["lost"]


def test_nvjpeg_gives_the_frames_that_the_cores_give():
    import torch

    from udfs.images.frames import decode_frame, frame_shape
    from udfs.inference.engines.device_decode import can_decode_on, decode_on_device

    device = torch.device("cuda:0")
    if not can_decode_on(device):
        pytest.skip("torchvision is not installed: pip install claimlens[gpu]")
    photos = jpegs(4, 1024, 768)
    shapes = [frame_shape(photo, (224, 224)) for photo in photos]
    for photo, frame in zip(photos, decode_on_device(list(map(memoryview, photos)), shapes, device), strict=True):
        wanted = decode_frame(photo, (224, 224)).astype(int)
        assert np.abs(frame.cpu().numpy().astype(int) - wanted).mean() < 2
