"""A task's side of the host: start it where it is not running, send rows, receive vectors."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

import udfs.errors
from udfs.errors import ClaimlensError, EnvironmentMissingError
from udfs.inference.host.connection import PeerGoneError, streams
from udfs.inference.host.placement import device_for, host_directory, parent_process, remove_abandoned_directories
from udfs.inference.host.wire import GREETING, Answer, Request
from udfs.inference.tasks import task_named
from udfs.models import ModelReference

START_SECONDS = 60.0
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
WINDOW_BYTES = 256 * 1024 * 1024
"""Bytes that a task has under way at most, besides one Arrow batch."""


def run_task(
    batches: Iterator[pa.RecordBatch],
    reference: ModelReference,
    model_key: str,
    task: str,
    batch_size: int | None = None,
    *,
    cores: int | None = None,
    idle_seconds: float = 600.0,
) -> Iterator[pa.RecordBatch]:
    """Have a Spark task's rows worked on by the host of its device.

    Args:
        batches: columns of the inputs of `task`; without a row nothing is started or loaded.
        reference: the model, its dtype settled.
        model_key: what the driver takes the model to be.
        task: name of what is asked of the model, one of tasks.TASKS.
        batch_size: rows that go through the model together; None takes what suits the device.
        cores: what a host that is started now may use; None: what this process may.
        idle_seconds: how long it stays without a task.

    Yields:
        Batches of the task's outputs, one row per row in, in order.

    Raises:
        ModelError: the model cannot be loaded, or is another than the driver's.
        EnvironmentMissingError: the host does not start.
        ConnectionError: the host ended half-way; a retry of the task starts a new one.
    """
    batches = (batch for batch in batches if batch.num_rows)
    first = next(batches, None)
    if first is None:
        return
    device = device_for(reference.device)
    request = Request(replace(reference, device=device), model_key, task, batch_size)
    directory = host_directory(device)
    connection = _connected(directory, device, cores, idle_seconds)
    schema = task_named(task).inputs
    rows = (batch.select(schema.names).cast(schema) for batch in chain([first], batches))
    try:
        with streams(connection) as (reading, writing):
            request.send(writing)
            answer = Answer.receive(reading)
            _raise_if_failed(answer)
            yield from _exchanged(rows, schema, answer.window, reading, writing)
            _raise_if_failed(Answer.receive(reading))
    except PeerGoneError as error:
        raise ConnectionError(
            f"the process that holds the model on {socket.gethostname()} ended while it was at work "
            f"({_last_words(directory)}); the task is to be tried again, which starts a new one."
        ) from error


def _exchanged(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, window: int, reading: BinaryIO, writing: BinaryIO
) -> Iterator[pa.RecordBatch]:
    """Send batches and receive results, so that the host has always a window of rows and never much more."""
    sent: deque[tuple[int, int]] = deque()
    rows = held = 0
    receiving: pa.RecordBatchReader | None = None
    sending = pa.ipc.new_stream(writing, schema)
    for batch in batches:
        if not _sent(sending, batch, writing):
            break
        sent.append((batch.num_rows, batch.nbytes))
        rows, held, hurried = rows + batch.num_rows, held + batch.nbytes, False
        while rows >= window or held >= WINDOW_BYTES:
            if rows < window and not hurried:
                # Nothing more comes for now: the host shall not wait for a full portion.
                hurried = _sent(sending, pa.RecordBatch.from_pylist([], schema), writing)
            receiving = receiving or pa.ipc.open_stream(reading)
            result = next(receiving, None)
            if result is None:  # it gave up; why is what it says next
                return
            rows, held = rows - result.num_rows, held - _returned(sent, result.num_rows)
            yield result
    _sent(sending, None, writing)
    yield from receiving or pa.ipc.open_stream(reading)


def _sent(sending: pa.ipc.RecordBatchStreamWriter, batch: pa.RecordBatch | None, writing: BinaryIO) -> bool:
    """Send a batch at once, None for the end; tells whether the host still listens. If not, it may have said why."""
    try:
        if batch is None:
            sending.close()
        else:
            sending.write_batch(batch)
        writing.flush()
    except PeerGoneError:
        return False
    return True


def _returned(sent: deque[tuple[int, int]], rows: int) -> int:
    """Take `rows` off the front of what was sent; the bytes of the batches that are back as a whole."""
    freed = 0
    while rows:
        waiting, size = sent.popleft()
        if waiting > rows:
            sent.appendleft((waiting - rows, size))
            break
        rows -= waiting
        freed += size
    return freed


def _raise_if_failed(answer: Answer) -> None:
    if answer.error:
        kind = getattr(udfs.errors, answer.error, ClaimlensError)
        raise kind(answer.message)


def _connected(directory: Path, device: str, cores: int | None, idle_seconds: float) -> socket.socket:
    """A connection to the host; it is started where there is none, by one task while the others wait."""
    connection = _connection(directory)
    if connection is not None:
        return connection
    with (directory / "start").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        connection = _connection(directory)
        if connection is not None:
            return connection
        remove_abandoned_directories()
        host = _started(directory, device, cores, idle_seconds)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            connection = _connection(directory)
            if connection is not None:
                return connection
            if host.poll():
                break
            if host.returncode == 0:  # the one before it is still on its way out, and has the lock
                host = _started(directory, device, cores, idle_seconds)
            time.sleep(0.02)
        raise EnvironmentMissingError(
            f"the process that holds the model does not start on {socket.gethostname()} ({_last_words(directory)}); "
            f"see {directory / 'log'} there."
        )


def _connection(directory: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(directory / "socket"))
        if connection.recv(len(GREETING)) == GREETING:
            return connection
    except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
        pass
    # Nobody is there, or somebody who is on the way out.
    connection.close()
    return None


def _started(directory: Path, device: str, cores: int | None, idle_seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "udfs.inference.host.server", f"--directory={directory}", f"--device={device}"]
    command += [f"--parent={parent_process()}", f"--idle-seconds={idle_seconds}"]
    command += [] if cores is None else [f"--cores={cores}"]
    environment = {**os.environ, **TUNING, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with (directory / "log").open("wb") as log:
        return _Outliving(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


class _Outliving(subprocess.Popen[bytes]):
    def __del__(self) -> None:
        """Do not complain of a process that still runs: it is meant to."""


def _last_words(directory: Path) -> str:
    """The last line of the host's log: what it died of, if it could say so."""
    try:
        lines = (directory / "log").read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it left no message"
