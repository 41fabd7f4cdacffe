"""A host for the command line: it outlives the command that starts it, and the next command finds its model loaded."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.inference.faulty_encoder import batch, mixed_photos
from tests.unit.inference.host.hosts import hosts_apart
from udfs.inference.host.client import run_task
from udfs.inference.host.running import RunningProcess
from udfs.models import ModelReference, describe_model

ROOT = Path(__file__).resolve().parents[4]
SECONDS = 60
IDLE_SECONDS = 10.0
PHOTOS = mixed_photos()
COMMAND = """
import sys
from udfs.inference.host.client import run_task
from udfs.models import ModelReference
import pyarrow as pa
rows = pa.RecordBatch.from_pydict({"entity_id": ["a"], "jpeg": [open(sys.argv[1], "rb").read()]})
reference = ModelReference(sys.argv[2], device="cpu", dtype="float32")
idle_seconds = float(sys.argv[4])
(result,) = run_task(
    iter([rows]), reference, sys.argv[3], "embed_photos", lasting=True, idle_seconds=idle_seconds
)
print(result["worker"][0].as_py())
"""


def command(photo: Path, clip: ModelReference, key: str, folder: Path) -> str:
    arguments = [str(photo), os.path.relpath(clip.name, folder), key, str(IDLE_SECONDS)]
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


@pytest.mark.slow
def test_commands_one_after_the_other_share_a_host_which_ends_when_it_is_idle(clip, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(PHOTOS[0])
    key = describe_model(clip).model_key
    with hosts_apart() as directory:
        folder = directory.parents[1]
        first = command(photo, clip, key, folder)
        heard: list[str] = []
        (result,) = run_task(
            iter([batch("jpeg", PHOTOS[:1])]), clip, key, "embed_photos", lasting=True, waiting=heard.append
        )
        assert [first] == result["worker"].to_pylist() == [command(photo, clip, key, folder)]
        assert not heard
        assert dict(result["measures"][0].as_py())["loads"] == 1
        host = RunningProcess(int(first.rpartition(":")[2]))
        assert host.is_running()
        end = time.monotonic() + SECONDS
        while host.is_running():
            assert time.monotonic() < end, "the host does not end"
            time.sleep(0.1)


def test_who_waits_is_told_what_for(clip):
    heard: list[str] = []
    key = describe_model(clip).model_key
    with hosts_apart():
        list(
            run_task(
                iter([batch("jpeg", PHOTOS[:1])]), clip, key, "embed_photos", idle_seconds=0.5, waiting=heard.append
            )
        )
    assert heard[0] == "the process that holds the model starts"
    assert set(heard[1:]) == {f"model {clip.name} loads"}
