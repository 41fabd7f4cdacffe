"""A task's side of the host: start it where it is not running, send rows, receive vectors."""

import socket
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

import udfs.errors
from udfs.errors import ClaimlensError
from udfs.inference.host.connection import PeerGoneError, streams
from udfs.inference.host.directory import host_directory, last_words
from udfs.inference.host.placement import place_for
from udfs.inference.host.start import NoChildProcessError, connected
from udfs.inference.host.wire import Answer, Request
from udfs.inference.tasks import task_named
from udfs.models import ModelReference

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
    lasting: bool = False,
    waiting: Callable[[str], None] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Have a Spark task's rows worked on by the host of its device.

    Args:
        batches: columns of the inputs of `task`; without a row nothing is started or loaded.
        reference: the model, its dtype settled.
        model_key: what the driver takes the model to be.
        task: name of what is asked of the model, one of tasks.TASKS.
        batch_size: rows that go through the model together; None takes what suits the device.
        cores: what a host that is started now may use; None: its GPU's part of what this process may.
        idle_seconds: how long it stays without a task.
        lasting: ask a host that does not end with this process: the one that a former process of this user has started,
            or a new one, which serves later processes.
        waiting: is told what there is to wait for before the first result, if anything.

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
    place = place_for(reference.device)
    name = str(path.resolve()) if (path := Path(reference.name)).is_dir() else reference.name
    request = Request(replace(reference, name=name, device=place.device), model_key, task, batch_size)
    schema = task_named(task).inputs
    rows = (batch.select(schema.names).cast(schema) for batch in chain([first], batches))
    try:
        if reference.host == "task":
            raise NoChildProcessError("the setting models.<role>.host is task")
        connection = connected(place, cores, idle_seconds, lasting=lasting, waiting=waiting)
    except NoChildProcessError as error:
        from udfs.inference.host.in_process import run_in_process

        yield from run_in_process(rows, request, place, cores, str(error))
        return
    try:
        with streams(connection) as (reading, writing):
            request.send(writing)
            while (answer := Answer.receive(reading)).waiting:
                if waiting is not None:
                    waiting(answer.waiting)
            _raise_if_failed(answer)
            yield from _exchanged(rows, schema, answer.window, reading, writing)
            _raise_if_failed(Answer.receive(reading))
    except PeerGoneError as error:
        said = last_words(host_directory(place, lasting=lasting))
        raise ConnectionError(
            f"the process that holds the model on {socket.gethostname()} ended while it was at work ({said}); the task "
            "is to be tried again, which starts a new one."
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
