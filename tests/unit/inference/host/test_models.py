"""A process loads each model once, keeps the few that are in use, and makes room where memory is short."""

import dataclasses
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tests.models import build_vit
from tests.unit.inference.faulty_encoder import buffers, mixed_photos
from udfs.errors import ModelError
from udfs.inference.host import model_cache as models
from udfs.inference.host.model_cache import CAPACITY, Residents
from udfs.models import ModelReference, open_model
from udfs.models.kinds import Resources


@pytest.fixture(scope="module")
def references(tmp_path_factory) -> list[ModelReference]:
    root = tmp_path_factory.mktemp("models")
    return [ModelReference(str(build_vit(root / str(seed), seed)), device="cpu") for seed in range(CAPACITY + 1)]


class Loader:
    """Loads as the product does, notes what was asked for, and fails as often as `failing` says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing: list[Exception] = []

    def __call__(self, reference: ModelReference, resources: Resources):
        self.asked.append(reference.name)
        if self.failing:
            raise self.failing.pop()
        return open_model(reference, resources)


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def residents(loader):
    residents = Residents(2, loader)
    yield residents
    residents.close()


def used(residents: Residents, reference: ModelReference, batch_size: int | None = None):
    """The encoder that a task finds which comes and goes."""
    with residents.engine(reference, batch_size) as engine:
        return engine._encoder


def test_tasks_that_come_at_once_share_one_load(residents, references):
    together = threading.Barrier(6)

    def task(_: int):
        together.wait()
        return used(residents, references[0])

    with ThreadPoolExecutor(6) as tasks:
        encoders = list(tasks.map(task, range(6)))
    assert len({id(encoder) for encoder in encoders}) == 1
    assert residents.loads == 1
    assert encoders[0].load_seconds > 0


def test_a_decided_dtype_is_the_same_model_as_auto(residents, references):
    automatic = used(residents, references[0])
    decided = dataclasses.replace(references[0], dtype=str(automatic.dtype).removeprefix("torch."))
    assert used(residents, decided) is automatic


def test_another_batch_size_takes_the_weights_that_are_there(residents, references):
    with residents.engine(references[0], 2) as small, residents.engine(references[0], 8) as large:
        assert small._encoder is large._encoder
        assert (small.portion, large.portion) == (2, 8)
        assert residents.resident_bytes == small._encoder.resident_bytes
    assert residents.loads == 1


def test_the_model_unused_longest_makes_room(residents, references):
    first, second, third = references
    kept = used(residents, first)
    used(residents, second)
    assert used(residents, first) is kept
    used(residents, third)
    assert residents.resident_bytes == 2 * kept.resident_bytes
    assert used(residents, first) is kept
    assert residents.loads == 3
    used(residents, second)
    assert residents.loads == 4


def test_a_model_in_use_stays_even_where_there_are_more_than_usual(residents, references):
    first, second, third = references
    with residents.engine(first) as one, residents.engine(second) as two, residents.engine(third) as three:
        results = [engine.submit("embed_photos", buffers(mixed_photos()[:2])) for engine in (one, two, three)]
        assert all(not future.result().failures for future in results)
        assert used(residents, first) is one._encoder
    assert residents.loads == 3


def test_a_failed_load_is_tried_again_and_not_counted(residents, tmp_path):
    reference = ModelReference(str(tmp_path / "later"), device="cpu", dtype="float32")
    with pytest.raises(ModelError):
        used(residents, reference)
    build_vit(tmp_path / "later")
    assert used(residents, reference).dimension == 32
    assert residents.loads == 1


def test_a_model_that_does_not_fit_beside_another_takes_its_place(residents, references, loader):
    first, second, _ = references
    used(residents, first)
    loader.failing = [torch.OutOfMemoryError("CUDA out of memory.")]
    encoder = used(residents, second)
    assert loader.asked == [first.name, second.name, second.name]
    assert residents.resident_bytes == encoder.resident_bytes  # the first is gone
    assert residents.loads == 2


def test_a_model_that_does_not_fit_beside_those_in_use_fails(residents, references, loader):
    first, second, _ = references
    with residents.engine(first) as engine:
        loader.failing = [torch.OutOfMemoryError("CUDA out of memory.")]
        with pytest.raises(torch.OutOfMemoryError):
            used(residents, second)
        assert not engine.submit("embed_photos", buffers(mixed_photos()[:2])).result().failures
    assert used(residents, second).dimension == 32


def test_the_weights_of_a_model_that_made_room_are_given_back(residents, references, monkeypatch):
    first, second, third = references
    weights = weakref.ref(next(used(residents, first)._model.parameters()))
    used(residents, second)
    there = []
    # Giving cached memory back is of use only once nothing holds it any more.
    monkeypatch.setattr(models, "free_memory", lambda: there.append(weights() is not None))
    used(residents, third)
    assert there == [False]


class Gate:
    """Opens `slow` only once it is told to; everything else at once."""

    def __init__(self, slow: ModelReference) -> None:
        self.slow, self.began, self.may_end = slow.name, threading.Event(), threading.Event()

    def __call__(self, reference: ModelReference, resources: Resources):
        if reference.name == self.slow:
            self.began.set()
            assert self.may_end.wait(30)
        return open_model(reference, resources)


def test_tasks_of_a_model_that_is_there_begin_work_and_end_while_another_is_opened(references):
    here, slow, _ = references
    gate = Gate(slow)
    residents = Residents(2, gate)
    used(residents, here)
    with ThreadPoolExecutor(1) as tasks:
        opening = tasks.submit(used, residents, slow)
        assert gate.began.wait(30)
        with residents.engine(here) as engine:
            assert not engine.submit("embed_photos", buffers(mixed_photos()[:2])).result(30).failures
        assert residents.resident_bytes == engine.gauges()["resident_bytes"]
        assert not opening.done()
        gate.may_end.set()
        opening.result(30)
    assert residents.loads == 2
    residents.close()


def test_two_batch_sizes_of_a_model_that_are_asked_for_at_once_share_its_weights(references):
    gate = Gate(references[0])
    residents = Residents(2, gate)
    with ThreadPoolExecutor(2) as tasks:
        small, large = (tasks.submit(used, residents, references[0], size) for size in (2, 8))
        assert gate.began.wait(30)
        gate.may_end.set()
        assert small.result(30) is large.result(30)
    assert residents.loads == 1
    residents.close()


def test_all_who_wait_for_a_model_that_cannot_be_opened_are_told_and_the_next_tries_again(references):
    gate = Gate(references[0])
    failing = [ModelError("not today")]

    def open_engine(reference: ModelReference, resources: Resources):
        engine = gate(reference, resources)
        if failing:
            raise failing.pop()
        return engine

    residents = Residents(2, open_engine)
    with ThreadPoolExecutor(2) as tasks:
        first, second = (tasks.submit(used, residents, references[0]) for _ in range(2))
        assert gate.began.wait(30)
        time.sleep(0.2)
        gate.may_end.set()
        for waiting in (first, second):
            with pytest.raises(ModelError, match="not today"):
                waiting.result(30)
    assert used(residents, references[0]).dimension == 32
    residents.close()


def test_three_batch_sizes_of_one_model_leave_room_for_another(residents, references):
    first, second, _ = references
    kept = used(residents, first, 1)
    for size in (2, 3):
        used(residents, first, size)
    used(residents, second)
    assert used(residents, first, 1) is kept
    assert residents.loads == 2


def test_nothing_is_begun_after_the_end(references):
    residents = Residents(1)
    with residents.engine(references[0]) as engine:
        future = engine.submit("embed_photos", buffers(mixed_photos()[:2]))
    residents.close()
    assert not future.result().failures  # what was submitted is finished
    with pytest.raises(RuntimeError):
        engine.submit("embed_photos", buffers(mixed_photos()[:2]))
