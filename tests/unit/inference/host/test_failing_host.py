"""What a task is told when the process with the model fails, and what becomes of that process."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.images.pictures import encoded, scenery
from tests.unit.inference.faulty_encoder import batch
from tests.unit.inference.host.hosts import hosts_apart
from udfs.errors import EnvironmentMissingError, ModelError
from udfs.inference.host import start
from udfs.inference.host.client import run_task
from udfs.inference.host.server import DEVICE_LOST
from udfs.models import ModelReference

ROOT = Path(__file__).resolve().parents[4]
SECONDS = 60
KEY = "stub"
PHOTOS = [encoded(scenery(40, 30, seed)) for seed in range(4)]


@pytest.fixture(scope="module")
def stub():
    """A host in the place where this process's tasks look for one, with stand-ins for models."""
    with hosts_apart() as directory:
        command = [sys.executable, "-m", "tests.unit.inference.host.stub_host", f"--directory={directory}"]
        process = subprocess.Popen([*command, f"--parent={os.getpid()}", "--idle-seconds=60", "--cores=2"], cwd=ROOT)
        end = time.monotonic() + SECONDS
        while not (directory / "socket").exists():
            assert time.monotonic() < end, "the host does not listen"
            time.sleep(0.02)
        yield process
        process.kill()
        process.wait()


def embedded(name: str, batches) -> list[dict]:
    reference = ModelReference(name, device="cpu", dtype="float32")
    return [row for result in run_task(iter(batches), reference, KEY, "embed_photos", 2) for row in result.to_pylist()]


def many(batches: int, rows: int = 2) -> list:
    photos = (PHOTOS * rows)[:rows]
    return [batch("jpeg", photos, first=number * rows) for number in range(batches)]


def test_an_error_of_the_model_reaches_the_task_as_it_is_whenever_it_happens(stub):
    assert len(embedded("good", many(30))) == 60
    for call in (1, 5, 29):  # before anything came back, in the middle, after all was sent
        with pytest.raises(ModelError, match=r"cannot be compiled.*install a C\+\+ compiler"):
            embedded(f"unusable-{call}", many(30))
        # A task that still has a lot to send when it happens.
        with pytest.raises(ModelError, match="cannot be compiled"):
            embedded(f"unusable-0{call}", many(60, rows=500))
    assert len(embedded("good", many(30))) == 60
    assert stub.poll() is None


def test_a_model_that_does_not_fit_into_memory_is_an_error_of_one_line(stub):
    with pytest.raises(ModelError, match=r"model unloadable on .*out of memory") as told:
        embedded("unloadable", many(1))
    assert "\n" not in str(told.value)
    assert stub.poll() is None


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("unreadable", r"PermissionError: .*Permission denied: '/models/stub/model\.safetensors'"),
        ("full", "OSError: .*No space left on device"),
        ("unreachable", "ConnectionRefusedError: .*Connection refused"),
    ],
)
def test_an_error_of_the_system_is_told_as_what_it_is_and_not_as_a_host_that_is_gone(stub, fault, said):
    with pytest.raises(ModelError, match=f"model {fault} on .*{said}") as told:
        embedded(fault, many(1))
    assert "\n" not in str(told.value)
    assert stub.poll() is None


def test_a_host_that_does_not_start_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(start.sys, "executable", shutil.which("false"))
    with (
        hosts_apart(),
        pytest.raises(EnvironmentMissingError, match=r"does not start on .* left no message.*see .*/log") as told,
    ):
        embedded("good", many(1))
    assert "\n" not in str(told.value)


# Last, because nothing is left of the process afterwards.
def test_a_lost_device_ends_the_process_and_fails_the_task(stub):
    assert len(embedded("good", many(3))) == 6
    with pytest.raises((ModelError, ConnectionError)) as told:
        embedded("lost-5", many(30))
    assert "illegal memory access" in str(told.value)
    assert "\n" not in str(told.value)
    assert stub.wait(SECONDS) == DEVICE_LOST
