"""The Lance store against real LanceDB: rows replace each other by key, and nothing appears twice."""

import fcntl
import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.index.protocol import CLAIMS, VECTORS, Written
from jobs.index.schemas import fingerprint_of
from jobs.index.stores.lance import LanceStore, index_location
from jobs.index.writer_lock import lock_path
from udfs.errors import ClaimlensError, IndexMismatchError, InputError

sys.path.insert(0, str(Path(__file__).parent))
from tests.unit.index.old_rows import DIMENSION, claim_rows, keys, photo_id, unit_vectors, vector_rows


@pytest.fixture
def store(tmp_path):
    return LanceStore.create(str(tmp_path / "index"), "model-a", DIMENSION)


def test_an_upsert_adds_replaces_and_leaves_alone_what_is_the_same(store):
    assert store.upsert(VECTORS, vector_rows(range(10))) == Written(10, 0)
    before = store.fingerprint(VECTORS)
    assert store.upsert(VECTORS, vector_rows(range(10))) == Written(0, 0)
    assert store.fingerprint(VECTORS) == before
    assert store.upsert(VECTORS, vector_rows(range(8, 12), revision=1, labels=["crack"])) == Written(2, 2)
    assert store.count(VECTORS) == 12
    labels = {
        row["entity_id"]: row["labels"]
        for batch in store.scan(VECTORS, columns=("entity_id", "labels"))
        for row in batch.to_pylist()
    }
    assert labels[photo_id(7)] == ["dent"]
    assert labels[photo_id(9)] == ["crack"]


def test_deletes_by_the_whole_key_and_counts_what_was_there(store):
    store.upsert(VECTORS, vector_rows(range(6)))
    other = pa.table({"entity": ["passage"], "entity_id": [photo_id(1)]})
    assert store.delete(VECTORS, other) == 0
    assert store.delete(VECTORS, keys([1, 2, 99])) == 2
    assert store.count(VECTORS) == 4


def test_a_key_with_a_quote_in_it_is_only_a_key(store):
    store.upsert(CLAIMS, claim_rows([("O'Brien' OR '1'='1", 1), ("other", 2)]))
    assert store.delete(CLAIMS, pa.table({"claim_id": ["O'Brien' OR '1'='1"], "photo_id": [photo_id(1)]})) == 1
    assert store.count(CLAIMS) == 1


def test_replacing_all_rows_leaves_the_new_ones_only_and_keeps_the_primary_key(store):
    store.upsert(VECTORS, vector_rows(range(5)))
    assert store.replace(VECTORS, vector_rows(range(3, 10)).to_batches(max_chunksize=2)) == 7
    assert store.upsert(VECTORS, vector_rows(range(3, 10))) == Written(0, 0)
    marks = store._table(VECTORS).schema.field("entity_id").metadata
    assert marks[b"lance-schema:unenforced-primary-key:position"] == b"2"


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=50), st.randoms(), st.integers(1, 7))
@settings(max_examples=100)
def test_the_checksum_is_the_same_in_any_order_and_any_portions(hashes, random, portion):
    shuffled = list(hashes)
    random.shuffle(shuffled)
    cut = [pa.array(shuffled[start : start + portion], pa.int64()) for start in range(0, len(shuffled), portion)]
    result = fingerprint_of(cut)
    assert result.rows == len(hashes)
    assert result.checksum == sum(hashes) % 2**64
    assert fingerprint_of([pa.array([*hashes, 1], pa.int64())]) != result


def _write(root, worker, barrier):
    store = LanceStore.create(root, "model-a", DIMENSION)
    barrier.wait()
    for start in range(0, 40, 20):  # without the lock: the declared key alone must keep rows single
        store.upsert(VECTORS, vector_rows(range(start, start + 20), revision=worker))


def test_concurrent_writers_do_not_write_a_photo_twice(tmp_path):
    root = str(tmp_path / "index")
    LanceStore.create(root, "model-a", DIMENSION)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    workers = [context.Process(target=_write, args=(root, worker, barrier)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert LanceStore.open(root, "model-a").count(VECTORS) == 40


def test_a_second_writer_is_told_who_writes(store):
    with (
        store.writing(),
        pytest.raises(ClaimlensError, match=r"Another process writes .*process \d+"),
        store.writing(wait_seconds=0),
    ):
        pass
    with store.writing(wait_seconds=0):
        pass


def test_a_lock_file_left_by_a_dead_process_blocks_nobody(store):
    lock_path(store.location).write_text('{"process": 1, "host": "gone"}')
    with store.writing(wait_seconds=0), lock_path(store.location).open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_an_index_of_another_model_or_dimension_is_refused(tmp_path, store):
    root = str(tmp_path / "index")
    with pytest.raises(IndexMismatchError, match="holds vectors of 8 numbers, the model gives 16"):
        LanceStore.create(root, "model-a", 16)
    Path(index_location(root, "model-a")).rename(index_location(root, "model-b"))
    with pytest.raises(IndexMismatchError, match="belongs to model_key model-a, not model-b"):
        LanceStore.open(root, "model-b")
    with pytest.raises(IndexMismatchError, match="no index of model_key model-c, only of model-b"):
        LanceStore.open(root, "model-c")


def test_no_index_yet_says_how_to_make_one(tmp_path):
    with pytest.raises(InputError, match="claimlens sync-index"):
        LanceStore.open(str(tmp_path / "nowhere"), "model-a")


def test_nearest_gives_exact_cosines_best_first_and_filters_before_it_compares(store):
    rows = vector_rows(range(200))
    store.upsert(VECTORS, rows)
    vectors = np.stack(rows["vector"].to_pylist())
    query = unit_vectors(1, seed=77)[0]
    cosines = vectors @ query
    found = store.nearest(query, 5, columns=("entity_id",))
    assert found["entity_id"].to_pylist() == [photo_id(number) for number in np.argsort(-cosines)[:5]]
    assert found["score"].to_numpy() == pytest.approx(np.sort(cosines)[::-1][:5], abs=1e-5)
    worst = int(np.argmin(cosines))
    only = store.nearest(query, 5, where=f"entity_id = '{photo_id(worst)}'", columns=("entity_id",))
    assert only["entity_id"].to_pylist() == [photo_id(worst)]


def test_a_purge_leaves_no_bytes_of_a_deleted_photo(store, tmp_path):
    secret = b"thumbnail-of-an-erased-claimant" * 50
    store.upsert(VECTORS, vector_rows(range(50)))
    store.upsert(VECTORS, vector_rows([50], thumbnail=secret))
    store.replace(VECTORS, _all(store))
    store.delete(VECTORS, keys([50]))
    assert _on_disk(tmp_path, secret[:31])
    store.optimise(purge=True)
    assert not _on_disk(tmp_path, secret[:31])
    assert not _on_disk(tmp_path, photo_id(50).encode())
    assert store.count(VECTORS) == 50


def _all(store):
    return list(store.scan(VECTORS))


def _on_disk(folder, needle):
    return any(needle in path.read_bytes() for path in folder.rglob("*") if path.is_file())
