"""Reach a place's host process, which is started where it is not running."""

import fcntl
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from udfs.errors import EnvironmentMissingError
from udfs.inference.host.directory import host_directory, last_words, remove_abandoned_directories
from udfs.inference.host.health import end_peer, stuck
from udfs.inference.host.placement import Place, host_cores, parent_process
from udfs.inference.host.wire import GREETING

START_SECONDS = 60.0
"""Seconds that a host may take from its start to its greeting."""
SERVER = "udfs.inference.host.server"
"""The module that is a host."""
ADDRESS_SPACE = 8 * 1024**3
"""Bytes that a host on the CPU wants to be allowed; torch alone maps five gigabytes. CUDA maps many times a GPU's
memory."""
ALLOCATOR = {
    # glibc would give each layer's output back to the system and fetch it again, page by page: a fifth of MobileNet's
    # time. 32 MiB is the most that it accepts for the first.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(1024 * 1024 * 1024),
}
TUNING = {
    # One thread per operation: the host's own threads are what keeps the cores busy.
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    **ALLOCATOR,
}
"""Environment of a host: what has to be decided before its process begins."""


class NoChildProcessError(Exception):
    """The system allows this process no child; who asks has to do without a host."""


def connected(
    place: Place,
    cores: int | None,
    idle_seconds: float,
    *,
    deadline_seconds: float,
    lasting: bool = False,
    waiting: Callable[[str], None] | None = None,
) -> socket.socket:
    """A connection to the host of a place; it is started where there is none, by one task while the others wait.

    Args:
        place: the device, and which GPU that is.
        cores: what a host that is started now may use; None: what the place allows.
        idle_seconds: how long it stays without a task.
        deadline_seconds: after which a host that does not greet is asked how it is, and ended where it is stuck.
        lasting: the host does not end with the process that starts it, and serves all others of this user.
        waiting: is told what it waits for, if it does.

    Raises:
        NoChildProcessError: no process may be started here.
        EnvironmentMissingError: the host does not start.
    """
    directory = host_directory(place, lasting=lasting)
    connection = _connection(directory, deadline_seconds)
    if connection is not None:
        return connection
    if waiting is not None:
        waiting("the process that holds the model starts")
    with (directory / "start").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        connection = _connection(directory, deadline_seconds)
        if connection is not None:
            return connection
        refuse_memory_limit(place)
        remove_abandoned_directories()
        host = _started(directory, place, cores, idle_seconds, lasting=lasting)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            connection = _connection(directory, deadline_seconds)
            if connection is not None:
                return connection
            if host.poll():
                break
            if host.returncode == 0:  # the one before it is still on its way out, and has the lock
                host = _started(directory, place, cores, idle_seconds, lasting=lasting)
            time.sleep(0.02)
        raise EnvironmentMissingError(
            f"the process that holds the model does not start on {socket.gethostname()} ({last_words(directory)}); "
            f"see {directory / 'log'} there."
        )


def refuse_memory_limit(place: Place) -> None:
    """Look at the limit on address space that a host would inherit; Spark sets one for its Python workers.

    Raises:
        EnvironmentMissingError: no host can work under it.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or (place.device == "cpu" and limit >= ADDRESS_SPACE):
        return
    mend = "take the limit off (ulimit -v unlimited)"
    if "PYSPARK_EXECUTOR_MEMORY_MB" in os.environ:
        mend = "unset spark.executor.pyspark.memory, and give the memory by spark.executor.memoryOverhead"
    wanted = f"{ADDRESS_SPACE / 1024**3:.0f} GiB of it" if place.device == "cpu" else "more than a GPU has memory"
    raise EnvironmentMissingError(
        f"Python on {socket.gethostname()} may use {limit / 1024**3:.1f} GiB of address space, and the process that "
        f"holds the model needs {wanted}: {mend}."
    )


def _connection(directory: Path, deadline_seconds: float) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(deadline_seconds)
    try:
        connection.connect(str(directory / "socket"))
        if connection.recv(len(GREETING)) == GREETING:
            return connection
    except TimeoutError:
        if stuck(directory, deadline_seconds):
            end_peer(connection)
    except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
        pass
    # Nobody is there, or somebody who is on the way out.
    connection.close()
    return None


def _started(
    directory: Path, place: Place, cores: int | None, idle_seconds: float, *, lasting: bool
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", SERVER, f"--directory={directory}"]
    command += [f"--idle-seconds={idle_seconds}", f"--cores={host_cores() if cores is None else cores}"]
    command += [] if lasting else [f"--parent={parent_process()}"]
    environment = {**os.environ, **TUNING}
    environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)
    if place.address is not None:
        command.append(f"--address={place.address}")
        environment["CUDA_VISIBLE_DEVICES"] = place.address
        environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi counts, and Spark's addresses
    with (directory / "log").open("wb") as log:
        try:
            return _Outliving(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        except OSError as error:
            raise NoChildProcessError(f"no process can be started on {socket.gethostname()} ({error})") from error


class _Outliving(subprocess.Popen[bytes]):
    def __del__(self) -> None:
        """Do not complain of a process that still runs: it is meant to."""
