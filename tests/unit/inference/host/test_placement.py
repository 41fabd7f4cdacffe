"""Every task finds its device, with Spark's scheduler and without, and a directory that is its user's alone."""

import fcntl
import os
import stat
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyspark import TaskContext

from udfs.errors import EnvironmentMissingError
from udfs.inference.host.placement import (
    ABANDONED_SECONDS,
    device_for,
    gpu_count,
    host_directory,
    parent_process,
    remove_abandoned_directories,
)


class Task:
    """As much of a Spark task as placement looks at."""

    def __init__(self, partition: int = 0, gpu: str | None = None) -> None:
        self._partition = partition
        self._resources = {} if gpu is None else {"gpu": SimpleNamespace(name="gpu", addresses=[gpu])}

    def partitionId(self) -> int:  # noqa: N802 - Spark's name
        return self._partition

    def resources(self):
        return self._resources


@pytest.fixture
def running(monkeypatch):
    """Makes this process one that runs a task."""

    def run(task: Task) -> None:
        monkeypatch.setattr(TaskContext, "_taskContext", task)

    return run


@pytest.mark.parametrize("wanted", ["cpu", "mps", "cuda:3"])
def test_a_device_that_is_named_is_taken(wanted, running, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    running(Task(1, gpu="1"))
    assert device_for(wanted) == wanted


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_a_task_takes_the_gpu_that_spark_gave_it(wanted, running, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    running(Task(5, gpu="2"))
    assert device_for(wanted) == "cuda:2"


def test_without_sparks_word_tasks_spread_over_the_gpus(running, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    found = []
    for partition in range(6):
        running(Task(partition))
        found.append(device_for("auto"))
    assert found == ["cuda:0", "cuda:1", "cuda:2"] * 2


def test_outside_of_a_task_the_first_gpu_is_taken(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert device_for("auto") == "cuda:0"


@pytest.mark.parametrize("visible", ["", "-1"])
def test_without_a_gpu_the_cpu_serves_unless_a_gpu_is_asked_for(visible, running, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    running(Task(3))
    assert gpu_count() == 0
    assert device_for("auto") == "cpu"
    assert device_for("cuda") == "cuda:0"  # fails as it is loaded, with a sentence about the setting


def test_a_host_ends_with_the_parent_of_a_tasks_worker_and_with_anything_else_itself(running):
    assert parent_process() == os.getpid()
    running(Task())
    assert parent_process() == os.getppid()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("udfs.inference.host.placement._SOCKET_PATH_LENGTH", 1000)  # pytest's paths are long
    return tmp_path


def test_each_device_has_a_directory_that_only_this_user_enters(folder):
    directories = [host_directory(device) for device in ("cpu", "cuda:0", "cuda:1", "cpu")]
    assert len(set(directories)) == 3
    assert directories[0] == directories[3]
    for directory in directories:
        assert folder in directory.parents
        for owned in (directory, directory.parent):
            assert stat.S_IMODE(owned.stat().st_mode) == 0o700


def test_executors_have_directories_of_their_own(folder, running):
    mine = host_directory("cpu")
    running(Task())
    assert host_directory("cpu") != mine


@pytest.mark.parametrize("level", ["own", "parent"])
def test_a_directory_that_is_open_to_others_is_refused(folder, level):
    directory = host_directory("cpu")
    opened = directory if level == "own" else directory.parent
    opened.chmod(0o755)
    with pytest.raises(EnvironmentMissingError, match=f"{opened} is open to other users; remove it, or set TMPDIR"):
        host_directory("cpu")


def test_what_executors_of_former_days_left_is_removed_but_for_what_a_host_holds(folder):
    left, held, young = [host_directory(f"cuda:{number}") for number in range(3)]
    (left / "log").write_text("once")
    long_ago = time.time() - ABANDONED_SECONDS - 60
    with (held / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for directory in (left, held):
            os.utime(directory, (long_ago, long_ago))
        remove_abandoned_directories()
    assert (left.exists(), held.exists(), young.exists()) == (False, True, True)


def test_a_directory_that_is_asked_for_again_is_no_longer_abandoned(folder):
    directory = host_directory("cpu")
    os.utime(directory, (0, 0))
    assert host_directory("cpu") == directory
    remove_abandoned_directories()
    assert directory.exists()


def test_a_long_temporary_directory_is_not_used_because_sockets_have_short_names(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert len(str(host_directory("cuda:15") / "socket")) <= 104
    assert Path("/tmp") in host_directory("cuda:15").parents
