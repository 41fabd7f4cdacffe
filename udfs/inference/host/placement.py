"""Which device serves a task, and where its host process is found."""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from udfs.errors import EnvironmentMissingError

if TYPE_CHECKING:
    from pyspark import TaskContext

_SOCKET_PATH_LENGTH = 100
"""Unix sockets have short names: 108 bytes on Linux, 104 on macOS."""
ABANDONED_SECONDS = 24 * 3600.0


def task() -> "TaskContext | None":
    """The Spark task that this process is running, or None. Imports nothing: a worker has pyspark loaded."""
    pyspark = sys.modules.get("pyspark.taskcontext")
    return pyspark.TaskContext.get() if pyspark is not None else None


def device_for(wanted: str) -> str:
    """The device whose host serves this task: cpu, mps or cuda:N.

    Takes the GPU that Spark's scheduler gave to the task. Where Spark gives out none (a single node, or a cluster
    without GPU scheduling), tasks are spread over the GPUs by their partition.

    Args:
        wanted: the setting models.photo.device: auto, cpu, mps, cuda or cuda:N.
    """
    if wanted not in {"auto", "cuda"}:
        return wanted
    running = task()
    given = running.resources().get("gpu") if running is not None else None
    if given is not None:
        return f"cuda:{given.addresses[0]}"
    gpus = gpu_count()
    if not gpus:
        return "cuda:0" if wanted == "cuda" else "cpu"
    return f"cuda:{running.partitionId() % gpus if running is not None else 0}"


def gpu_count() -> int:
    """How many NVIDIA GPUs this process may use. Asks no library: importing torch takes seconds."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() and name.strip() != "-1"])
    return len([path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdigit()])


def parent_process() -> int:
    """The process whose end ends the host: in a Spark task its parent, which outlives single workers; else our own."""
    return os.getppid() if task() is not None else os.getpid()


def host_directory(device: str) -> Path:
    """Where the host of a device on this executor has its socket, its lock and its log; only this user can enter.

    Raises:
        EnvironmentMissingError: the directory belongs to somebody else.
    """
    code = Path(__file__).resolve().parent
    named = hashlib.sha256(f"{parent_process()} {device} {code} {sys.executable}".encode()).hexdigest()[:16]
    directory = _own_root() / named
    for owned in (directory.parent, directory):
        owned.mkdir(mode=0o700, exist_ok=True)
        if owned.stat().st_uid != os.getuid() or owned.stat().st_mode & 0o077:
            raise EnvironmentMissingError(
                f"{owned} is open to other users; remove it, or set TMPDIR to a directory of your own."
            )
    os.utime(directory)
    return directory


def remove_abandoned_directories() -> None:
    """Remove the host directories, logs included, that no task has asked for in a day and no host has the lock of."""
    for directory in _own_root().iterdir():
        with suppress(OSError):  # a host is at work there, or somebody else was faster
            if time.time() - directory.stat().st_mtime > ABANDONED_SECONDS:
                with (directory / "lock").open("w") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(directory)


def _own_root() -> Path:
    root = Path(tempfile.gettempdir())
    if len(str(root)) > _SOCKET_PATH_LENGTH - 60:
        root = Path("/tmp")
    return root / f"claimlens-{os.getuid()}"
