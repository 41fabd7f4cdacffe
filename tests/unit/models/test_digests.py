"""The weights are read once on a machine; and never is a digest believed that is not the file's."""

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.models import build_vit
from udfs.models import ModelReference, describe_model, digests

DESCRIBE = """
import sys
def refuse(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".safetensors"):
        raise SystemExit("read the weights")
from udfs.models import ModelReference, describe_model
sys.addaudithook(refuse)
print(describe_model(ModelReference(sys.argv[1])).model_key)
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    digests._digest.cache_clear()
    return tmp_path / "cache" / "claimlens" / "digests"


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "SETTLED_SECONDS", -60.0)
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights" * 1000)
    return path


def again(path) -> str:
    """As another process finds it."""
    digests._digest.cache_clear()
    return digests.file_digest(path)


def test_a_second_process_reads_no_byte_of_the_weights(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(digests, "SETTLED_SECONDS", -60.0)
    folder = build_vit(tmp_path / "vit")
    key = describe_model(ModelReference(str(folder))).model_key
    second = subprocess.run([sys.executable, "-c", DESCRIBE, str(folder)], capture_output=True, text=True, check=False)
    assert (second.stdout.strip(), second.stderr) == (key, "")
    for kept in cache.iterdir():
        kept.unlink()
    third = subprocess.run([sys.executable, "-c", DESCRIBE, str(folder)], capture_output=True, text=True, check=False)
    assert "read the weights" in third.stderr  # so the test would have noticed


def test_a_changed_file_is_read_again_even_with_its_size_and_time_kept(weights, cache):
    first, times = again(weights), (weights.stat().st_atime_ns, weights.stat().st_mtime_ns)
    assert first == hashlib.sha256(weights.read_bytes()).hexdigest()
    weights.write_bytes(b"WEIGHTS" * 1000)
    os.utime(weights, ns=times)
    assert again(weights) == hashlib.sha256(b"WEIGHTS" * 1000).hexdigest() != first


def test_a_file_that_has_just_changed_is_not_remembered(weights, cache, monkeypatch):
    monkeypatch.setattr(digests, "SETTLED_SECONDS", 2.0)
    again(weights)
    assert not cache.exists()


@pytest.mark.parametrize("damage", ["", "[]", '{"path": 1}', "{"])
def test_a_damaged_cache_is_ignored_and_mended(weights, cache, damage):
    digest = again(weights)
    (entry,) = cache.iterdir()
    entry.write_text(damage)
    assert again(weights) == digest
    assert json.loads(entry.read_text())["sha256"] == digest


def test_another_file_at_the_same_path_in_the_cache_is_not_believed(weights, cache):
    digest = again(weights)
    (entry,) = cache.iterdir()
    entry.write_text(json.dumps({**json.loads(entry.read_text()), "path": "/elsewhere", "sha256": "0" * 64}))
    assert again(weights) == digest


def test_a_cache_that_cannot_be_written_is_none(weights, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert again(weights) == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_many_at_once_leave_one_whole_entry(weights, cache):
    def ask(_: int) -> str:
        return digests._digest.__wrapped__(weights.resolve(), digests._state(weights))

    with ThreadPoolExecutor(8) as tasks:
        assert len(set(tasks.map(ask, range(40)))) == 1
    assert [path.suffix for path in cache.iterdir()] == [".json"]
