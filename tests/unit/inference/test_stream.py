"""The page: however the rows come in, they go out complete and in order, with the vectors that the encoder gives."""

import dataclasses
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from tests.unit.inference.faulty_encoder import (
    BROKEN,
    FaultyEncoder,
    batch,
    buffers,
    fully_decoded_vectors,
    lost_device,
    lowest_cosine,
    mixed_photos,
    out_of_memory_above,
    reference_vectors,
)
from udfs.inference.engine import Embedded
from udfs.inference.engines.cores import CoreEngine
from udfs.inference.engines.device import DeviceEngine
from udfs.inference.photos import embed_photos, embed_texts
from udfs.inference.stream import READER, stream
from udfs.inference.tasks import EMBED_PHOTOS, EMBED_TEXTS, Task
from udfs.models.transformers.kind import load_encoder
from udfs.outcome import ErrorCode

STAGES = {"decode", "resize", "copy", "forward", "wait", "launch"}
GAUGES = {"load_seconds", "resident_bytes", "peak_bytes", "batch_size"}


@pytest.fixture(scope="module")
def cores():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(params=["cores", "device"])
def engine_of(request, cores):
    """Makes an engine of either kind, on the CPU, for portions of `size`."""
    made = []

    def make(encoder, size: int = 4):
        made.append(
            CoreEngine(encoder, cores, 2, size) if request.param == "cores" else DeviceEngine(encoder, cores, size)
        )
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def table(engine, batches, task: Task = EMBED_PHOTOS) -> pa.Table:
    results = list(stream(engine, task, batches, "here:1"))
    for result in results:
        result.validate(full=True)
    return pa.Table.from_batches(results, task.outputs)


@pytest.mark.parametrize("scaled", [True, False])
def test_photos_of_any_size_become_the_vectors_that_the_encoder_gives(engine_of, clip, scaled):
    encoder = load_encoder(dataclasses.replace(clip, scaled_decoding=scaled))
    photos = mixed_photos()
    whole = batch("jpeg", photos)
    found = table(engine_of(encoder), [whole.slice(0, 5), whole.slice(5, 0), whole.slice(5)])
    assert found.column("entity_id").to_pylist() == whole.column("entity_id").to_pylist()
    assert set(found.column("status").to_pylist()) == {"ok"}
    assert set(found.column("dimension").to_pylist()) == {encoder.dimension}
    vectors = np.array(found.column("vector").to_pylist())
    assert lowest_cosine(vectors, reference_vectors(encoder, photos)) > 0.9999
    if not scaled:
        assert lowest_cosine(vectors, fully_decoded_vectors(encoder, photos)) > 0.9999
    assert np.allclose(found.column("norm").to_numpy(), 1, atol=1e-6)


def test_broken_photos_fail_alone_with_their_code(engine_of, clip_encoder):
    good = mixed_photos()
    contents = [good[0], *BROKEN.values(), *good[3:6], *BROKEN.values(), good[9]]
    found = table(engine_of(clip_encoder), [batch("jpeg", contents)])
    rows = found.to_pylist()
    assert [row["error_code"] for row in rows] == [None, *BROKEN, None, None, None, *BROKEN, None]
    for row in rows:
        failed = row["error_code"] is not None
        assert (row["status"], row["vector"] is None) == (("failed", True) if failed else ("ok", False))
        assert (row["norm"] is None, row["dimension"] is None, bool(row["error_detail"])) == (failed,) * 3
    vectors = [row["vector"] for row in rows if row["vector"] is not None]
    assert lowest_cosine(vectors, reference_vectors(clip_encoder, [good[0], *good[3:6], good[9]])) > 0.9999


def test_a_portion_in_which_every_photo_is_broken_gives_its_rows(engine_of, clip_encoder):
    found = table(engine_of(clip_encoder, 2), [batch("jpeg", [b"", None, b"x"])])
    assert found.column("error_code").to_pylist() == ["empty", "unreadable", "not_an_image"]


def test_no_rows_give_no_rows(engine_of, clip_encoder):
    assert table(engine_of(clip_encoder), []).num_rows == 0
    assert table(engine_of(clip_encoder), [batch("jpeg", [])]).num_rows == 0


def test_the_first_row_of_each_batch_measures_it(engine_of, clip_encoder):
    photos = mixed_photos()
    engine = engine_of(clip_encoder)
    results = list(stream(engine, EMBED_PHOTOS, [batch("jpeg", photos)], "here:1"))
    assert len(results) > 1
    for result in results:
        first, *others = result.column("measures").to_pylist()
        assert others == [None] * (result.num_rows - 1)
        measures = dict(first)
        assert measures["rows"] == result.num_rows
        assert measures.keys() >= GAUGES | {"decode", "forward", "wait"}
        assert measures.keys() <= GAUGES | STAGES | {"rows"}
        assert all(value >= 0 for value in measures.values())
        assert measures["batch_size"] == engine.portion == 4
        assert measures["resident_bytes"] == clip_encoder.resident_bytes


def test_narratives_become_vectors_and_blank_ones_say_so(engine_of, clip_encoder):
    texts = ["hit a deer", " ", None, "Türe verbeult", ""]
    rows = table(engine_of(clip_encoder, 2), [batch("text", texts)], EMBED_TEXTS).to_pylist()
    assert [row["error_code"] for row in rows] == [None, "empty", "empty", None, "empty"]
    expected = clip_encoder.encode_texts(["hit a deer", "Türe verbeult"])
    assert lowest_cosine([rows[0]["vector"], rows[3]["vector"]], expected) > 0.9999


def test_a_batch_too_large_for_memory_costs_no_photo_and_makes_later_ones_smaller(engine_of, clip_encoder):
    photos = mixed_photos() * 2
    encoder = FaultyEncoder(clip_encoder, out_of_memory_above(3))
    engine = engine_of(encoder, 8)
    found = table(engine, [batch("jpeg", photos)])
    assert set(found.column("status").to_pylist()) == {"ok"}
    vectors = np.array(found.column("vector").to_pylist())
    assert lowest_cosine(vectors, reference_vectors(clip_encoder, photos)) > 0.9999
    assert engine.portion == 2
    encoder.sizes.clear()
    table(engine, [batch("jpeg", photos)])
    assert max(encoder.sizes) == 2


def test_vectors_that_are_not_finite_never_get_through(engine_of, clip_encoder):
    import torch

    class NotFinite(FaultyEncoder):
        def features(self, batch):
            return torch.full((len(batch["pixel_values"]), self.dimension), torch.nan)

    rows = table(engine_of(NotFinite(clip_encoder)), [batch("jpeg", mixed_photos()[:3])]).to_pylist()
    assert [(row["error_code"], row["vector"]) for row in rows] == [("model_failed", None)] * 3


def test_padding_to_a_static_size_changes_no_vector(cores, clip_encoder):
    photos = mixed_photos()[:7]
    encoder = FaultyEncoder(clip_encoder)
    found = table(CoreEngine(encoder, cores, 2, 4, static=True), [batch("jpeg", photos)])
    assert set(encoder.sizes) == {4}
    vectors = np.array(found.column("vector").to_pylist())
    assert lowest_cosine(vectors, reference_vectors(clip_encoder, photos)) > 0.9999


def test_the_kernel_alone_gives_the_same(clip_encoder):
    photos = mixed_photos()
    embedded = embed_photos(clip_encoder, buffers([photos[0], None, *photos[1:]]))
    assert {row: failure.code for row, failure in embedded.failures.items()} == {1: ErrorCode.UNREADABLE}
    assert not embedded.vectors[1].any()
    good = np.delete(embedded.vectors, 1, axis=0)
    assert lowest_cosine(good, reference_vectors(clip_encoder, photos)) > 0.9999
    assert embedded.seconds.keys() == {"decode", "resize", "copy", "forward"}
    assert embed_texts(clip_encoder, buffers([b"a dent"])).vectors.shape == (1, clip_encoder.dimension)


class Quick:
    """An engine that gives every row the same vector, at once, and notes how many rows it was given."""

    portion, window = 2, 6

    def __init__(self) -> None:
        self.given = 0

    def submit(self, _, contents) -> Future:
        self.given += len(contents)
        future: Future = Future()
        future.set_result(Embedded(np.tile(np.array([[1, 0]], np.float32), (len(contents), 1))))
        return future

    def gauges(self) -> dict[str, float]:
        return {}


def sender(asked: list[int]):
    for number in range(100):
        asked.append(number)
        yield batch("jpeg", [b"x"], number)


def test_no_more_rows_are_read_than_the_engines_window_and_a_portion():
    """Photos are large: what is read and not yet done lies in memory."""
    asked: list[int] = []
    had = 0
    for result in stream(Quick(), EMBED_PHOTOS, sender(asked), "here:1"):
        had += result.num_rows
        time.sleep(0.01)  # the reader could run away now
        assert len(asked) <= had + Quick.window + 2 * Quick.portion
    assert had == 100


def test_a_reader_whose_results_nobody_wants_any_more_stops():
    asked: list[int] = []
    results = stream(Quick(), EMBED_PHOTOS, sender(asked), "here:1")
    next(results)
    results.close()
    time.sleep(0.05)
    stopped = len(asked)
    time.sleep(0.05)
    assert len(asked) == stopped < 100
    assert not [thread for thread in threading.enumerate() if thread.name == READER]


def test_what_the_sender_raises_reaches_who_asks_for_results_after_the_rows_before_it():
    def breaking():
        yield batch("jpeg", [b"x"] * 4)
        raise LookupError("the file is gone")

    results = stream(Quick(), EMBED_PHOTOS, breaking(), "here:1")
    assert next(results).num_rows
    with pytest.raises(LookupError, match="the file is gone"):
        list(results)


def test_what_condemns_a_portion_is_raised_and_not_waited_for(cores, clip_encoder):
    import torch

    engine = CoreEngine(FaultyEncoder(clip_encoder, lost_device), cores, 2, 2)
    with pytest.raises(torch.AcceleratorError):
        list(stream(engine, EMBED_PHOTOS, [batch("jpeg", mixed_photos() * 3)], "here:1"))


def test_one_vector_that_is_not_finite_costs_its_batch_no_second_pass(engine_of, clip_encoder):
    import torch

    class OneNotFinite(FaultyEncoder):
        def features(self, batch):
            features = super().features(batch).clone()
            features[1] = torch.nan
            return features

    encoder = OneNotFinite(clip_encoder)
    photos = mixed_photos()[:8]
    rows = table(engine_of(encoder, 8), [batch("jpeg", photos)]).to_pylist()
    assert [row["error_code"] for row in rows].count("model_failed") == 1
    (lost,) = [number for number, row in enumerate(rows) if row["error_code"]]
    kept = [row["vector"] for row in rows if row["vector"] is not None]
    assert lowest_cosine(kept, reference_vectors(clip_encoder, photos[:lost] + photos[lost + 1 :])) > 0.9999
    assert encoder.sizes == [8]
