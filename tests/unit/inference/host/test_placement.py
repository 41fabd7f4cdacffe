"""Every task finds its device, with Spark's scheduler and without, and what its host may use of the executor."""

import os
from types import SimpleNamespace

import joblib
import pytest
from pyspark import TaskContext

from udfs.errors import EnvironmentMissingError
from udfs.inference.host.placement import (
    EXECUTOR_CORES_PROPERTY,
    Place,
    gpu_count,
    host_cores,
    parent_process,
    place_for,
)

UUID = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"
INSTANCE = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f"


class Task:
    """As much of a Spark task as placement looks at."""

    def __init__(self, partition: int = 0, gpu: str | None = None, **properties: str) -> None:
        self._partition = partition
        self._properties = properties
        self._resources = {} if gpu is None else {"gpu": SimpleNamespace(name="gpu", addresses=[gpu])}

    def partitionId(self) -> int:  # noqa: N802 - Spark's name
        return self._partition

    def resources(self):
        return self._resources

    def getLocalProperty(self, name: str) -> str | None:  # noqa: N802 - Spark's name
        return self._properties.get(name)


@pytest.fixture
def running(monkeypatch):
    """Makes this process one that runs a task."""

    def run(task: Task) -> None:
        monkeypatch.setattr(TaskContext, "_taskContext", task)

    return run


@pytest.fixture(autouse=True)
def no_gpus(monkeypatch):
    """Whatever the machine has that runs these tests."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("SPARK_EXECUTOR_CORES", raising=False)


@pytest.mark.parametrize("wanted", ["cpu", "mps"])
def test_a_device_that_is_named_is_taken(wanted, running):
    running(Task(1))
    assert place_for(wanted) == Place(wanted)


@pytest.mark.parametrize(("wanted", "address"), [("cuda:1", "7"), ("cuda:0", "4")])
def test_a_gpu_that_is_named_is_taken_whatever_spark_gives(wanted, address, running, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    running(Task(1, gpu="0"))
    assert place_for(wanted) == Place("cuda:0", address)


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
@pytest.mark.parametrize(
    ("inherited", "given", "address"),
    [
        (None, "2", "2"),
        ("", "2", "2"),
        ("0,1,2,3", "2", "2"),
        ("4,5,7", "2", "7"),
        (f"{UUID},GPU-1", "0", UUID),
        (f"MIG-1, {INSTANCE}", "1", INSTANCE),
        ("4,5,7", "5", "5"),
        (None, UUID, UUID),
        ("0,1", UUID, UUID),
        ("0,1", INSTANCE, INSTANCE),
        (None, "MIG-GPU-8932f937/3/0", "MIG-GPU-8932f937/3/0"),
    ],
)
def test_a_task_takes_the_gpu_that_spark_gave_it(*, wanted, inherited, given, address, running, monkeypatch):
    if inherited is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", inherited)
    running(Task(5, gpu=given))
    assert place_for(wanted) == Place("cuda:0", address)


def test_a_gpu_that_is_not_there_is_named_with_what_is_there(running, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7,-1,8")
    running(Task(gpu="2"))
    with pytest.raises(EnvironmentMissingError, match=r"GPU 2 was given .* CUDA_VISIBLE_DEVICES=4,7 has no such entry"):
        place_for("auto")


def test_a_model_on_the_cpu_has_a_host_for_each_gpu_that_spark_gives(running):
    places = set()
    for gpu in ("0", "1"):
        running(Task(gpu=gpu))
        places.add(place_for("cpu"))
    assert places == {Place("cpu", "0"), Place("cpu", "1")}


def test_without_sparks_word_tasks_spread_over_the_gpus(running, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    found = []
    for partition in range(6):
        running(Task(partition))
        found.append(place_for("auto"))
    assert found == [Place("cuda:0", address) for address in ("4", "5", "7")] * 2


def test_outside_of_a_task_the_first_gpu_is_taken(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert place_for("auto") == Place("cuda:0", "3")


@pytest.mark.parametrize("visible", ["", "-1", "-1,0"])
def test_without_a_gpu_the_cpu_serves_unless_a_gpu_is_asked_for(visible, running, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    running(Task(3))
    assert gpu_count() == 0
    assert place_for("auto") == Place("cpu")
    assert place_for("cuda").device == "cuda:0"  # fails as it is loaded, with a sentence about the setting


@pytest.mark.parametrize(
    ("machine", "gpus", "property_", "environment", "cores"),
    [
        (16, "", None, None, 16),
        (16, "0", None, None, 16),
        (16, "0,1,2,3", None, None, 4),
        (16, "", "4", None, 4),
        (16, "", None, "6", 6),
        (16, "", "4", "6", 4),
        (64, "0,1,2,3,4,5,6,7", "8", None, 8),  # eight executors with a GPU each
        (64, "0,1,2,3,4,5,6,7", "64", None, 8),  # one with all of them
        (2, "0,1,2,3", None, None, 1),
        (8, "", "64", None, 8),
    ],
)
def test_a_host_takes_its_gpus_part_of_the_executors_cores(
    *, machine, gpus, property_, environment, cores, running, monkeypatch
):
    monkeypatch.setattr(joblib, "cpu_count", lambda: machine)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    if environment is not None:
        monkeypatch.setenv("SPARK_EXECUTOR_CORES", environment)
    running(Task(**({} if property_ is None else {EXECUTOR_CORES_PROPERTY: property_})))
    assert host_cores() == cores


def test_a_host_ends_with_the_parent_of_a_tasks_worker_and_with_anything_else_itself(running):
    assert parent_process() == os.getpid()
    running(Task())
    assert parent_process() == os.getppid()
