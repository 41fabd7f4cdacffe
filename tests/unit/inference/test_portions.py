"""Rows in and out: however they come in, they go out complete, in order and with what became of them."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.inference.faulty_encoder import batch
from udfs.inference import portions as portions_module
from udfs.inference.engine import Embedded, Failure
from udfs.inference.portions import portions, written
from udfs.inference.tasks import EMBED_PHOTOS, EMBED_TEXTS
from udfs.inference.timings import Seconds
from udfs.outcome import ErrorCode


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
    monkeypatch.setattr(portions_module, "PORTION_BYTES", 100)
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
    result = written(EMBED_PHOTOS, [first, second], {"loads": 1}, "host:7")
    result.validate(full=True)
    assert result.schema == EMBED_PHOTOS.outputs
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


def test_texts_that_were_not_read_to_their_end_are_named_and_counted():
    first = finished([[0.6, 0.8], [1.0, 0.0]])
    first.tokens_cut[1] = 12
    second = finished([Failure(ErrorCode.EMPTY, "no text"), [1.0, 0.0]])
    second.tokens_cut[1] = 1
    done = [(pa.array(["a", "b"]), first), (pa.array(["c", "d"]), second)]
    result = written(EMBED_TEXTS, done, {}, "host:7")
    result.validate(full=True)
    assert result.column("tokens_cut").to_pylist() == [0, 12, None, 1]
    assert dict(result.to_pylist()[0]["measures"])["cut"] == 2
    assert written(EMBED_PHOTOS, done, {}, "host:7").column("tokens_cut").null_count == 4


def test_a_batch_in_which_everything_failed_is_written_too():
    result = written(EMBED_PHOTOS, [(pa.array(["a"]), finished([Failure(ErrorCode.EMPTY, "")]))], {}, "host:7")
    result.validate(full=True)
    assert result.column("vector").null_count == 1
