"""The engine of a GPU, on the CPU: the same threads, buffers and recoveries, only without streams."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tests.models import build_siglip2
from tests.unit.images.pictures import encoded, scenery
from tests.unit.inference.faulty_encoder import (
    BROKEN,
    FaultyEncoder,
    buffers,
    lost_device,
    lowest_cosine,
    mixed_photos,
    out_of_memory_above,
    reference_vectors,
)
from udfs.images.frames import decode_frame
from udfs.inference.engines import device
from udfs.inference.engines.device import BATCHES_AHEAD, DeviceEngine
from udfs.models import ModelReference
from udfs.models.transformers.kind import load_encoder
from udfs.models.transformers.pixels import ProcessorPixels

SECONDS = 120
"""Far longer than anything here takes; what does not come by then never does."""


@pytest.fixture(scope="module")
def cores():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def engine_of(cores):
    made = []

    def make(encoder, size: int = 4) -> DeviceEngine:
        made.append(DeviceEngine(encoder, cores, size))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def many(engine: DeviceEngine, photos: list, batches: int) -> list:
    """The results of more batches than there are buffers, from a thread that may hang without hanging the test."""
    futures: list = []

    def submit() -> None:
        futures.extend(engine.submit("embed_photos", buffers(photos)) for _ in range(batches))

    submitting = threading.Thread(target=submit, daemon=True)
    submitting.start()
    submitting.join(SECONDS)
    assert not submitting.is_alive(), "submit blocks: a buffer was not given back"
    return futures


def test_batches_overlap_and_each_gets_its_own_vectors(engine_of, clip_encoder):
    engine = engine_of(clip_encoder)
    photos = [encoded(scenery(96 + seed % 3, 64, seed)) for seed in range(4 * BATCHES_AHEAD * 3)]
    parts = [photos[start : start + 4] for start in range(0, len(photos), 4)]
    futures = [engine.submit("embed_photos", buffers(part)) for part in parts]
    vectors = np.concatenate([future.result(SECONDS).vectors for future in futures])
    assert lowest_cosine(vectors, reference_vectors(clip_encoder, photos)) > 0.9999


def test_tasks_may_submit_at_the_same_time(engine_of, clip_encoder):
    engine = engine_of(clip_encoder)
    photos = mixed_photos()
    expected = reference_vectors(clip_encoder, photos)

    def lowest(turn: int) -> float:
        mine = photos[turn:] + photos[:turn]
        found = engine.submit("embed_photos", buffers(mine)).result(SECONDS).vectors
        return lowest_cosine(found, np.roll(expected, -turn, axis=0))

    with ThreadPoolExecutor(4) as tasks:
        assert min(tasks.map(lowest, range(12))) > 0.9999


def test_every_batch_has_the_same_shape(engine_of, clip_encoder):
    encoder = FaultyEncoder(clip_encoder)
    embedded = engine_of(encoder, 8).submit("embed_photos", buffers(mixed_photos()[:3])).result(SECONDS)
    assert encoder.sizes == [8]
    assert embedded.vectors.shape == (3, clip_encoder.dimension)


def test_no_memory_for_a_batch_costs_no_photo_and_later_batches_are_smaller(engine_of, clip_encoder):
    photos = mixed_photos()[:8]
    encoder = FaultyEncoder(clip_encoder, out_of_memory_above(3))
    engine = engine_of(encoder, 8)
    for future in many(engine, photos, 2 * BATCHES_AHEAD):
        embedded = future.result(SECONDS)
        assert not embedded.failures
        assert lowest_cosine(embedded.vectors, reference_vectors(clip_encoder, photos)) > 0.9999
    assert engine.portion == 2
    assert engine.gauges()["batch_size"] == 2
    encoder.sizes.clear()
    engine.submit("embed_photos", buffers(photos[: engine.portion])).result(SECONDS)
    assert encoder.sizes == [2]


def test_no_memory_even_for_one_photo_gives_each_its_code(engine_of, clip_encoder):
    engine = engine_of(FaultyEncoder(clip_encoder, out_of_memory_above(0)))
    embedded = engine.submit("embed_photos", buffers([*mixed_photos()[:3], None])).result(SECONDS)
    assert [str(embedded.failures[row].code) for row in range(4)] == ["out_of_memory"] * 3 + ["unreadable"]


def test_a_lost_device_fails_every_batch_and_blocks_nobody(engine_of, clip_encoder):
    engine = engine_of(FaultyEncoder(clip_encoder, lost_device))
    for future in many(engine, mixed_photos()[:4], 3 * BATCHES_AHEAD):
        with pytest.raises(torch.AcceleratorError):
            future.result(SECONDS)


def test_a_batch_that_cannot_be_staged_keeps_no_buffer(engine_of, clip_encoder, monkeypatch):
    engine = engine_of(clip_encoder)

    def no_room(*arguments, **options):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(device, "stage", no_room)
        for _ in range(BATCHES_AHEAD):
            with pytest.raises(MemoryError):
                engine.submit("embed_photos", buffers(mixed_photos()[:1]))
    assert all(not future.result(SECONDS).failures for future in many(engine, mixed_photos()[:2], 2 * BATCHES_AHEAD))


def test_what_was_submitted_is_finished_before_the_engine_closes(cores, clip_encoder):
    engine = DeviceEngine(clip_encoder, cores, 4)
    futures = [engine.submit("embed_photos", buffers(mixed_photos()[:4])) for _ in range(BATCHES_AHEAD)]
    engine.close()
    assert all(future.done() for future in futures)


@pytest.fixture(scope="module")
def flexible(tmp_path_factory):
    """A model that takes photos of any proportions, by its own processor."""
    folder = build_siglip2(tmp_path_factory.mktemp("models") / "siglip2")
    encoder = load_encoder(ModelReference(str(folder), device="cpu", dtype="float32"))
    assert isinstance(encoder.pixels, ProcessorPixels)
    return encoder


def test_a_model_with_a_processor_of_its_own_works_too(engine_of, flexible):
    photos = mixed_photos()
    contents = [photos[0], *BROKEN.values(), *photos[1:]]
    embedded = engine_of(flexible, 32).submit("embed_photos", buffers(contents)).result(SECONDS)
    assert [str(failure.code) for _, failure in sorted(embedded.failures.items())] == [*BROKEN]
    vectors = np.delete(embedded.vectors, list(embedded.failures), axis=0)
    assert lowest_cosine(vectors, reference_vectors(flexible, photos)) > 0.9999
    assert {"decode", "wait", "forward"} <= embedded.seconds.keys()


def test_memory_may_be_short_for_such_a_model_too(engine_of, flexible):
    photos = mixed_photos()[:6]
    engine = engine_of(FaultyEncoder(flexible, out_of_memory_above(2)), 6)
    embedded = engine.submit("embed_photos", buffers(photos)).result(SECONDS)
    assert lowest_cosine(embedded.vectors, reference_vectors(flexible, photos)) > 0.9999
    assert engine.portion < 6


class DeviceFirst:
    """Chooses the device's decoder until it is refused."""

    decoder = "device"

    def __init__(self, *, device_can_decode: bool) -> None:
        assert device_can_decode

    def record(self, decoder: str, photos: int, seconds: float, waited: float) -> None:
        """Not of interest."""

    def refuse_device(self) -> None:
        self.decoder = "cores"


@pytest.fixture
def decoding_on_device(monkeypatch):
    """The cores' decoder in nvJPEG's place; gives the shapes that it was asked for, a list for each call."""
    calls: list[list[tuple[int, int]]] = []

    def decode_on_device(jpegs, shapes, device):
        calls.append(list(shapes))
        return [torch.from_numpy(decode_frame(bytes(jpeg), shape)) for jpeg, shape in zip(jpegs, shapes, strict=True)]

    monkeypatch.setattr(device, "DecoderChoice", DeviceFirst)
    monkeypatch.setattr(device, "can_decode_on", lambda _: True)
    monkeypatch.setattr(device, "decode_on_device", decode_on_device)
    return calls


def test_the_vectors_do_not_depend_on_who_decodes(decoding_on_device, engine_of, clip_encoder):
    photos = mixed_photos()
    contents = [*photos[:10], b"", None, *photos[10:]]
    engine = engine_of(clip_encoder, 16)
    for future in many(engine, contents, 2 * BATCHES_AHEAD):
        embedded = future.result(SECONDS)
        assert [str(failure.code) for _, failure in sorted(embedded.failures.items())] == ["empty", "unreadable"]
        vectors = np.delete(embedded.vectors, list(embedded.failures), axis=0)
        assert lowest_cosine(vectors, reference_vectors(clip_encoder, photos)) > 0.9999
    assert len(decoding_on_device) == 2 * BATCHES_AHEAD  # all of them went that way


def test_a_photo_that_the_device_cannot_decode_gets_the_cores_code(decoding_on_device, engine_of, clip_encoder):
    photos = mixed_photos()
    contents = [*photos, *BROKEN.values()]
    embedded = engine_of(clip_encoder, 32).submit("embed_photos", buffers(contents)).result(SECONDS)
    codes = [str(embedded.failures[row].code) for row in range(len(photos), len(contents))]
    assert codes == [*BROKEN]
    assert lowest_cosine(embedded.vectors[: len(photos)], reference_vectors(clip_encoder, photos)) > 0.9999


def test_a_decoder_that_fails_on_good_photos_leaves_them_to_the_cores(
    decoding_on_device, engine_of, clip_encoder, monkeypatch
):
    calls = []

    def not_here(jpegs, shapes, device):
        calls.append(len(jpegs))
        raise RuntimeError("nvjpegDecode failed")

    monkeypatch.setattr(device, "decode_on_device", not_here)
    photos = mixed_photos()[:4]
    engine = engine_of(clip_encoder)
    engine.submit("embed_photos", buffers(photos)).result(SECONDS)
    for future in many(engine, photos, 2 * BATCHES_AHEAD):
        embedded = future.result(SECONDS)
        assert not embedded.failures
        assert lowest_cosine(embedded.vectors, reference_vectors(clip_encoder, photos)) > 0.9999
    assert len(calls) == 1  # it is not tried again for every batch


def test_decoding_by_torchvision_gives_the_frames_of_the_cores():
    pytest.importorskip("torchvision", reason="torchvision is not installed; it is what decodes on the device")
    from udfs.inference.engines.device_decode import decode_on_device

    photos = [
        encoded(scenery(width, height, seed=3), quality=90) for width, height in [(96, 64), (301, 203), (640, 480)]
    ]
    shapes = [decode_frame(photo, (32, 32)).shape[:2] for photo in photos]
    frames = decode_on_device([memoryview(photo) for photo in photos], shapes, torch.device("cpu"))
    for frame, photo in zip(frames, photos, strict=True):
        expected = decode_frame(photo, (32, 32)).astype(float)
        assert frame.shape == expected.shape
        assert np.abs(frame.numpy().astype(float) - expected).mean() < 3
