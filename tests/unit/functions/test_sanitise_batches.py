"""Sanitising Arrow batches: a row for each row, in order, in batches of bounded size."""

import pickle
import threading
from datetime import datetime

import pyarrow as pa
import pytest
from PIL import ExifTags, Image

from tests.unit.images.pictures import LIMITS, encoded, quarters, scenery
from udfs.functions import sanitise as udf
from udfs.functions.sanitise import SANITISED_SCHEMA, sanitise_batches
from udfs.images.photo import SanitiseLimits
from udfs.images.sanitise import sanitise


def batch_of(contents, first=0, **others) -> pa.RecordBatch:
    names = [f"photo-{first + number}" for number in range(len(contents))]
    return pa.record_batch({"photo_id": names, "content": pa.array(contents, pa.binary()), **others})


def rows_of(batches) -> list[dict]:
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_row_for_each_row_in_order(threads):
    good, cut = encoded(scenery()), encoded(scenery())[:2000]
    batches = [batch_of([good, None, b"text"]), batch_of([], first=3), batch_of([cut, good, b""], first=3)]
    out = list(sanitise_batches(LIMITS, threads=threads)(iter(batches)))
    assert all(batch.schema == SANITISED_SCHEMA for batch in out)
    rows = rows_of(out)
    assert [row["photo_id"] for row in rows] == [f"photo-{number}" for number in range(6)]
    codes = [row["error_code"] for row in rows]
    assert codes == [None, "unreadable", "not_an_image", "truncated", None, "empty"]
    assert [row["status"] for row in rows] == ["ok" if code is None else "failed" for code in codes]
    assert [row["original_bytes"] for row in rows] == [len(good), None, 4, len(cut), len(good), 0]
    assert [row["jpeg"] is not None for row in rows] == [code is None for code in codes]


def test_the_columns_hold_what_sanitise_gives():
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = "2021:03:04 05:06:07"
    content = encoded(quarters(), exif=exif)
    photo = sanitise(content, LIMITS)
    (row,) = rows_of(sanitise_batches(LIMITS)(iter([batch_of([content])])))
    assert row["captured_at"] == datetime(2021, 3, 4, 5, 6, 7)
    for name in ("jpeg", "width", "height", "original_width", "original_height", "original_format", "perceptual_hash"):
        assert row[name] == getattr(photo, name)


def test_other_columns_pass_where_they_are_named():
    batch = batch_of([encoded(quarters()), None], path=["a.jpg", None], length=pa.array([5, 6], pa.int64()))
    passed = pa.schema([("length", pa.int64()), ("path", pa.string())])
    (out,) = sanitise_batches(LIMITS, pass_through=passed)(iter([batch]))
    assert out.schema == pa.schema([*SANITISED_SCHEMA, *passed])
    assert out.column("path").to_pylist() == ["a.jpg", None]
    assert out.column("length").to_pylist() == [5, 6]


def test_large_and_plain_binary_columns_are_both_read():
    content = encoded(quarters())
    batch = pa.record_batch(
        {"photo_id": pa.array(["a"], pa.large_string()), "content": pa.array([content], pa.large_binary())}
    )
    assert rows_of(sanitise_batches(LIMITS)(iter([batch])))[0]["status"] == "ok"


def test_batches_going_out_are_bounded(monkeypatch):
    content = encoded(scenery())
    size = len(sanitise(content, LIMITS).jpeg)
    monkeypatch.setattr(udf, "OUTPUT_BATCH_BYTES", 3 * size - 1)
    out = list(sanitise_batches(LIMITS)(iter([batch_of([content] * 8)])))
    assert [batch.num_rows for batch in out] == [3, 3, 2]
    monkeypatch.setattr(udf, "OUTPUT_BATCH_ROWS", 5)
    assert [batch.num_rows for batch in sanitise_batches(LIMITS)(iter([batch_of([b""] * 8)]))] == [5, 3]


def test_input_is_asked_for_no_further_ahead_than_needed(monkeypatch):
    monkeypatch.setattr(udf, "OUTPUT_BATCH_ROWS", 1)
    asked = []

    def source():
        for number in range(50):
            asked.append(number)
            yield batch_of([b"text"], first=number)

    out = sanitise_batches(LIMITS, threads=2)(source())
    next(out)
    assert len(asked) <= 2 * udf.LOOK_AHEAD_PER_THREAD + 1
    out.close()


def test_no_thread_is_left_when_spark_stops_asking(monkeypatch):
    monkeypatch.setattr(udf, "OUTPUT_BATCH_ROWS", 1)
    out = sanitise_batches(LIMITS, threads=2)(iter([batch_of([encoded(scenery())] * 20)]))
    next(out)
    out.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sanitise")]


def test_an_error_of_the_source_is_not_swallowed():
    def source():
        yield batch_of([encoded(quarters())])
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(sanitise_batches(LIMITS)(source()))


def test_the_function_travels_to_executors():
    function = pickle.loads(pickle.dumps(sanitise_batches(SanitiseLimits(longest_side=16))))
    assert rows_of(function(iter([batch_of([encoded(quarters())])])))[0]["width"] == 16


def test_fewer_than_one_thread_is_refused():
    with pytest.raises(ValueError, match="threads"):
        sanitise_batches(LIMITS, threads=0)
