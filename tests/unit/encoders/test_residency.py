"""A model is loaded once per process, by whoever comes first."""

import multiprocessing
import threading

import pytest

from tests.models import build_vit
from udfs import residency
from udfs.encoders import ModelReference
from udfs.errors import ModelError


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(residency, "_residents", residency._Residents())


@pytest.fixture(scope="module")
def references(tmp_path_factory) -> list[ModelReference]:
    root = tmp_path_factory.mktemp("models")
    return [ModelReference(str(build_vit(root / str(seed), seed)), device="cpu") for seed in range(3)]


def test_threads_share_one_load(references):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(residency.resident_encoder(references[0]))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(map(id, found))) == 1
    assert residency.load_count() == 1
    assert found[0].load_seconds > 0


def test_a_decided_dtype_is_the_same_model_as_auto(references):
    automatic = residency.resident_encoder(references[0])
    decided = ModelReference(references[0].name, device="cpu", dtype="float32")
    assert residency.resident_encoder(decided) is automatic


def test_the_model_unused_longest_makes_room(references):
    first, second, third = references
    kept = residency.resident_encoder(first)
    residency.resident_encoder(second)
    assert residency.resident_encoder(first) is kept
    residency.resident_encoder(third)
    assert residency.resident_encoder(first) is kept
    assert residency.load_count() == 3


def test_a_failed_load_is_tried_again(tmp_path):
    reference = ModelReference(str(tmp_path / "later"), device="cpu")
    with pytest.raises(ModelError):
        residency.resident_encoder(reference)
    build_vit(tmp_path / "later")
    assert residency.resident_encoder(reference).dimension == 32
    assert residency.load_count() == 1


def count_after_fork(results) -> None:
    results.put((residency.load_count(), residency._current().lock.acquire(timeout=1)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_forked_worker_starts_with_nothing_and_no_stuck_lock(references):
    residency.resident_encoder(references[0])
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    with residency._residents.lock:
        worker = context.Process(target=count_after_fork, args=(results,))
        worker.start()
        worker.join(30)
    assert results.get() == (0, True)
