"""Reading on the executors: a row for each row, in order, with its bytes or the reason why there are none."""

import hashlib
import pickle

import pyarrow as pa

from udfs.functions import read_files as module
from udfs.functions.read_files import read_files


def batch_of(paths, first=0):
    numbers = range(first, first + len(paths))
    return pa.record_batch({"path": [f"file:{path}" for path in paths], "number": list(numbers)})


def test_a_row_for_each_row_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "OUTPUT_BATCH_BYTES", 25)
    paths = []
    for number in range(20):
        paths.append(tmp_path / f"{number}.jpg")
        if number % 7:
            paths[-1].write_bytes(b"%010d" % number)
    (tmp_path / "folder").mkdir()
    paths.append(tmp_path / "folder")
    read = pickle.loads(pickle.dumps(read_files(maximum_bytes=100, threads=3)))
    batches = list(read(iter([batch_of(paths[:13]), batch_of([]), batch_of(paths[13:], 13)])))
    assert max(batch.num_rows for batch in batches) < 13
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [row["number"] for row in rows] == list(range(21))
    for row in rows[:20]:
        content = b"%010d" % row["number"] if row["number"] % 7 else None
        assert row["content"] == content
        assert row["photo_id"] == (hashlib.sha256(content).hexdigest() if content else None)
        assert row["problem"] == (None if content else "No such file or directory")
    assert rows[20]["problem"] == "Is a directory"


def test_a_file_that_has_grown_is_not_read_whole(tmp_path):
    path = tmp_path / "large.jpg"
    path.write_bytes(b"x" * 1000)
    (batch,) = read_files(maximum_bytes=10, threads=1)(iter([batch_of([path])]))
    assert len(batch.to_pylist()[0]["content"]) == 11
