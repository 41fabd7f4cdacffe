"""Where a host is found: a directory that is its user's alone, one for each device and executor."""

import fcntl
import os
import stat
import tempfile
import time
from pathlib import Path

import pytest

from udfs.errors import EnvironmentMissingError
from udfs.inference.host.directory import ABANDONED_SECONDS, host_directory, remove_abandoned_directories
from udfs.inference.host.placement import Place

CPU = Place("cpu")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("udfs.inference.host.directory.SOCKET_PATH_LENGTH", 1000)  # pytest's paths are long
    return tmp_path


def test_each_device_has_a_directory_that_only_this_user_enters(folder):
    directories = [host_directory(place) for place in (CPU, Place("cuda:0", "0"), Place("cuda:0", "1"), CPU)]
    assert len(set(directories)) == 3
    assert directories[0] == directories[3]
    for directory in directories:
        assert folder in directory.parents
        for owned in (directory, directory.parent):
            assert stat.S_IMODE(owned.stat().st_mode) == 0o700


def test_executors_have_directories_of_their_own(folder, monkeypatch):
    mine = host_directory(CPU)
    monkeypatch.setattr("udfs.inference.host.directory.parent_process", lambda: 1)
    assert host_directory(CPU) != mine


def test_a_lasting_host_is_the_same_for_all_processes_of_the_same_code(folder, monkeypatch):
    mine = host_directory(CPU, lasting=True)
    monkeypatch.setattr("udfs.inference.host.directory.parent_process", lambda: 1)
    assert host_directory(CPU, lasting=True) == mine != host_directory(CPU)
    code = folder / "udfs" / "module.py"
    code.parent.mkdir()
    code.write_text("x = 1")
    monkeypatch.setattr("udfs.__file__", str(code))
    other = host_directory(CPU, lasting=True)
    code.write_text("x = 22")
    assert len({mine, other, host_directory(CPU, lasting=True)}) == 3


def test_a_place_where_nothing_can_be_made_is_named_with_the_way_out(folder, monkeypatch):
    (folder / "file").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "file"))
    with pytest.raises(EnvironmentMissingError, match=r"cannot be made .*set TMPDIR to a directory"):
        host_directory(CPU)


@pytest.mark.parametrize("level", ["own", "parent"])
def test_a_directory_that_is_open_to_others_is_refused(folder, level):
    directory = host_directory(CPU)
    opened = directory if level == "own" else directory.parent
    opened.chmod(0o755)
    with pytest.raises(EnvironmentMissingError, match=f"{opened} is open to other users; remove it, or set TMPDIR"):
        host_directory(CPU)


def test_what_executors_of_former_days_left_is_removed_but_for_what_a_host_holds(folder):
    left, held, young = [host_directory(Place("cuda:0", str(number))) for number in range(3)]
    (left / "log").write_text("once")
    long_ago = time.time() - ABANDONED_SECONDS - 60
    with (held / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for directory in (left, held):
            os.utime(directory, (long_ago, long_ago))
        remove_abandoned_directories()
    assert (left.exists(), held.exists(), young.exists()) == (False, True, True)


def test_a_directory_that_is_asked_for_again_is_no_longer_abandoned(folder):
    directory = host_directory(CPU)
    os.utime(directory, (0, 0))
    assert host_directory(CPU) == directory
    remove_abandoned_directories()
    assert directory.exists()


def test_a_long_temporary_directory_is_not_used_because_sockets_have_short_names(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert len(str(host_directory(Place("cuda:0", "15")) / "socket")) <= 104
    assert Path("/tmp") in host_directory(Place("cuda:0", "15")).parents
