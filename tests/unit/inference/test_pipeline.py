"""The page: however the rows come in, they go out complete and in order, with the vectors that the encoder gives."""

import dataclasses
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.inference.faulty_encoder import (
    BROKEN,
    FaultyEncoder,
    batch,
    buffers,
    fully_decoded_vectors,
    lowest_cosine,
    mixed_photos,
    out_of_memory_above,
    reference_vectors,
)
from udfs.inference import pipeline
from udfs.inference.engines.cores import CoreEngine
from udfs.inference.engines.device import DeviceEngine
from udfs.inference.isolation import Embedded, Failure, Seconds
from udfs.inference.pipeline import (
    ARROW_EMBEDDING_SCHEMA,
    EMBEDDING_SCHEMA,
    embed_batches,
    embed_photos,
    embed_texts,
    portions,
    written,
)
from udfs.models import load_encoder
from udfs.outcome import ErrorCode

STAGES = {"decode", "resize", "copy", "forward", "wait", "launch"}
GAUGES = {"load_seconds", "resident_bytes", "peak_bytes", "batch_size"}


@st.composite
def cut_rows(draw) -> tuple[list[bytes | None], list[pa.RecordBatch]]:
    """Rows, and the same cut into Arrow batches anyhow, some without rows."""
    contents = draw(st.lists(st.none() | st.binary(max_size=5), max_size=30))
    whole = batch("jpeg", contents)
    cuts = [0, *sorted(draw(st.lists(st.integers(0, len(contents)), max_size=8))), len(contents)]
    return contents, [whole.slice(first, last - first) for first, last in pairwise(cuts)]


def read(batches, size: int) -> list[tuple[list[str], list[bytes | None]]]:
    return [
        (ids.to_pylist(), [None if content is None else bytes(content) for content in contents])
        for ids, contents in portions(iter(batches), "jpeg", lambda: size)
    ]


@given(cut_rows(), st.integers(1, 9))
def test_portions_are_complete_in_order_and_full_unless_the_sender_is_waiting(rows, size):
    contents, batches = rows
    found = read(batches, size)
    assert [row for ids, _ in found for row in ids] == [f"id{row}" for row in range(len(contents))]
    assert [content for _, held in found for content in held] == contents
    assert all(0 < len(ids) == len(held) <= size for ids, held in found)
    ends = np.cumsum([len(ids) for ids, _ in found]).tolist()
    sent = np.cumsum([0, *(cut.num_rows for cut in batches)]).tolist()
    hurried = {sent[number] for number, cut in enumerate(batches) if not cut.num_rows} | {len(contents)}
    assert all(len(ids) == size or end in hurried for end, (ids, _) in zip(ends, found, strict=True))
    assert hurried - {0} <= set(ends)


def test_a_batch_without_rows_sends_what_there_is_before_anything_else_is_read():
    asked = []

    def sender():
        for number, count in enumerate([2, 0, 2]):
            asked.append(number)
            yield batch("jpeg", [b"x"] * count)

    reading = portions(sender(), "jpeg", lambda: 100)
    assert len(next(reading)[1]) == 2
    assert asked == [0, 1]


def test_a_portion_is_full_too_when_its_photos_hold_much(monkeypatch):
    monkeypatch.setattr(pipeline, "PORTION_BYTES", 100)
    contents = [b"x" * count for count in (40, 40, 40, 500, 1, 99, 1)]
    found = read([batch("jpeg", contents)], 5)
    assert [len(held) for _, held in found] == [3, 1, 2, 1]
    assert [content for _, held in found for content in held] == contents


def test_portions_become_smaller_as_soon_as_the_engine_asks_for_less():
    sizes, found = [4], []
    for _, contents in portions(iter([batch("jpeg", [b"x"] * 8)]), "jpeg", lambda: sizes[-1]):
        found.append(len(contents))
        sizes.append(2)
    assert found == [4, 2, 2]


def finished(rows: list[list[float] | Failure], **seconds: float) -> Embedded:
    vectors = np.array([[0.0, 0.0] if isinstance(row, Failure) else row for row in rows], np.float32)
    failures = {number: row for number, row in enumerate(rows) if isinstance(row, Failure)}
    timed = Seconds()
    for stage, spent in seconds.items():
        timed.add(stage, spent)
    return Embedded(vectors, failures, timed)


def test_portions_are_written_as_one_batch_with_their_failures_and_sums():
    broken = Failure(ErrorCode.CORRUPT, "no end")
    first = pa.array(["a", "b"]), finished([[0.6, 0.8], broken], decode=1.0, forward=2.0)
    second = pa.array(["c", "d"]), finished([broken, [1.0, 0.0]], decode=0.5, wait=4.0)
    result = written([first, second], {"loads": 1}, "host:7")
    result.validate(full=True)
    assert result.schema == ARROW_EMBEDDING_SCHEMA
    rows = result.to_pylist()
    assert [row["entity_id"] for row in rows] == ["a", "b", "c", "d"]
    assert [row["vector"] for row in rows] == [pytest.approx([0.6, 0.8]), None, None, [1.0, 0.0]]
    assert [row["dimension"] for row in rows] == [2, None, None, 2]
    assert [row["norm"] for row in rows] == [pytest.approx(1), None, None, 1]
    assert [row["status"] for row in rows] == ["ok", "failed", "failed", "ok"]
    assert [row["error_code"] for row in rows] == [None, "corrupt", "corrupt", None]
    assert [row["error_detail"] for row in rows] == [None, "no end", "no end", None]
    assert {row["worker"] for row in rows} == {"host:7"}
    assert dict(rows[0]["measures"]) == {"rows": 4, "loads": 1, "decode": 1.5, "forward": 2.0, "wait": 4.0}
    assert [row["measures"] for row in rows[1:]] == [None] * 3


def test_a_batch_in_which_everything_failed_is_written_too():
    result = written([(pa.array(["a"]), finished([Failure(ErrorCode.EMPTY, "")]))], {}, "host:7")
    result.validate(full=True)
    assert result.column("vector").null_count == 1


def test_both_schemas_name_the_same_columns_of_the_same_types():
    from pyspark.sql.pandas.types import from_arrow_schema

    fields = from_arrow_schema(ARROW_EMBEDDING_SCHEMA)
    assert ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in fields) == EMBEDDING_SCHEMA


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


def table(engine, batches, column: str = "jpeg") -> pa.Table:
    results = list(embed_batches(engine, iter(batches), column, "here:1"))
    for result in results:
        result.validate(full=True)
    return pa.Table.from_batches(results, ARROW_EMBEDDING_SCHEMA)


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
    results = list(embed_batches(engine, iter([batch("jpeg", photos)]), "jpeg", "here:1"))
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
    rows = table(engine_of(clip_encoder, 2), [batch("text", texts)], "text").to_pylist()
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


def test_no_more_rows_are_read_than_the_engines_window_and_a_portion():
    """Photos are large: what is read and not yet done lies in memory."""

    class Quick:
        portion, window = 2, 6

        def submit(self, _, contents) -> Future:
            future: Future = Future()
            future.set_result(finished([[1.0, 0.0]] * len(contents)))
            return future

        def gauges(self) -> dict[str, float]:
            return {}

    asked = []

    def sender():
        for number in range(100):
            asked.append(number)
            yield batch("jpeg", [b"x"], number)

    results = embed_batches(Quick(), sender(), "jpeg", "here:1")
    next(results)
    assert len(asked) <= Quick.window + Quick.portion
    assert sum(result.num_rows for result in results) == 98
