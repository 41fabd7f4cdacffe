"""A host lives as long as somebody may need it. None of these loads a model: starting and ending is all they do."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from udfs.inference.host.server import POLL_SECONDS

ROOT = Path(__file__).resolve().parents[4]
SECONDS = 60


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="claimlens-test-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def start(directory):
    """Starts a host in the test's directory and waits until it listens."""
    hosts = []

    def started(parent: int, idle_seconds: float, *, listens: bool = True) -> subprocess.Popen:
        command = [sys.executable, "-m", "udfs.inference.host.server", f"--directory={directory}", "--cores=1"]
        host = subprocess.Popen([*command, f"--parent={parent}", f"--idle-seconds={idle_seconds}"], cwd=ROOT)
        hosts.append(host)
        end = time.monotonic() + SECONDS
        while listens and not (directory / "socket").exists():
            assert time.monotonic() < end, "the host does not listen"
            time.sleep(0.02)
        return host

    yield started
    for host in hosts:
        host.kill()
        host.wait()


def test_a_host_ends_with_its_parent(start, directory):
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    host = start(parent.pid, idle_seconds=3600)
    assert host.poll() is None
    parent.communicate(b"\n")
    assert host.wait(SECONDS) == 0
    assert not (directory / "socket").exists()


def test_a_host_that_nobody_asks_ends(start, directory):
    host = start(os.getpid(), idle_seconds=0.2, listens=False)
    assert host.wait(SECONDS) == 0
    assert not (directory / "socket").exists()


def test_there_is_one_host_in_a_directory_and_another_after_it_was_killed(start, directory):
    first = start(os.getpid(), idle_seconds=3600)
    second = start(os.getpid(), idle_seconds=3600, listens=False)
    assert second.wait(SECONDS) == 0
    assert first.poll() is None
    first.kill()
    first.wait()
    assert (directory / "socket").exists()  # what it left behind is in nobody's way
    third = start(os.getpid(), idle_seconds=0.2)
    assert third.wait(SECONDS) == 0


def test_a_host_ends_within_moments_of_the_kill_of_its_parent_even_where_nobody_buries_it(start):
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    host = start(parent.pid, idle_seconds=3600)
    parent.kill()  # and is not waited for: its remains keep its number
    assert host.wait(3 * POLL_SECONDS) == 0
    parent.wait()
    parent.stdin.close()
