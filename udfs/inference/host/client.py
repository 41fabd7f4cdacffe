"""A task's side of the host: send rows, receive results, in order, whatever becomes of the host in between.

A host that ends in mid-work may have been ended by a row: a decoder that crashes takes the whole process along. So the
rows that were sent and have not come back go to the next host one at a time, while no other task is at work there. A
row under which it ends again gets the code decoder_crashed; then the task goes on as before.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

import udfs.errors
from udfs.errors import ClaimlensError
from udfs.inference.host.connection import PeerGoneError, streams
from udfs.inference.host.directory import crash, host_directory, last_words
from udfs.inference.host.exchange import Ahead, Unanswered, exchanged, pieces
from udfs.inference.host.health import end_peer, stuck
from udfs.inference.host.placement import Place, place_for
from udfs.inference.host.start import NoChildProcessError, connected
from udfs.inference.host.wire import Answer, Request
from udfs.inference.tasks import task_named
from udfs.models import ModelReference
from udfs.outcome import ErrorCode, Status

if TYPE_CHECKING:
    from udfs.inference.tasks import Task

LOADING = 10
"""So many deadlines may a model take to load, while the host says that it does."""
UNEXPLAINED = 3
"""Ends of a host that a task bears before it fails, where none of its rows is to blame."""
CRASHES = 100
"""Rows that may each crash a host before the task fails: then it is not the rows."""
TIMES = 2
"""Ends of a host under one row alone, after which the row is to blame even if the host did not say that it crashed."""


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
        ConnectionError: the host was stuck, or ended again and again; a retry of the task starts a new one.
    """
    batches = (batch for batch in batches if batch.num_rows)
    first = next(batches, None)
    if first is None:
        return
    place = place_for(reference.device)
    name = str(path.resolve()) if (path := Path(reference.name)).is_dir() else reference.name
    # How it is reached is no part of what a host loads: tasks that differ in that share one model.
    same = ModelReference(name="")
    loaded = replace(reference, name=name, device=place.device, host=same.host, deadline_seconds=same.deadline_seconds)
    request = Request(loaded, model_key, task, batch_size)
    hosts = _Hosts(place, request, cores, idle_seconds, reference.deadline_seconds, lasting=lasting, waiting=waiting)
    inputs = task_named(task).inputs
    rows = Ahead(pieces(batch.select(inputs.names).cast(inputs) for batch in chain([first], batches)))
    try:
        if reference.host == "task":
            raise NoChildProcessError("the setting models.<role>.host is task")
        hosts.reach()
    except NoChildProcessError as error:
        from udfs.inference.host.in_process import run_in_process

        yield from run_in_process(rows, request, place, cores, str(error))
        return
    yield from _by_hosts(hosts, rows, task_named(task))


def _by_hosts(hosts: "_Hosts", rows: Ahead, task: "Task") -> Iterator[pa.RecordBatch]:
    """Results of all rows, by as many hosts as it takes."""
    unanswered = Unanswered()
    unexplained = crashes = 0
    while not rows.is_over():
        results: list[pa.RecordBatch] = []
        try:
            with hosts.session() as (answer, reading, writing):
                yield from exchanged(rows, unanswered, answer, (reading, writing))
                _raise_if_failed(Answer.receive(reading))
            if unanswered.rows:
                raise hosts.ended(f"gave no answer to {unanswered.rows} rows")
        except PeerGoneError as error:
            results, crashed = _one_by_one(hosts, unanswered.take(), task)
            unexplained += not crashed
            crashes += crashed
            if unexplained > UNEXPLAINED or crashes > CRASHES:
                raise hosts.ended() from error
        yield from results


def _one_by_one(hosts: "_Hosts", rows: list[pa.RecordBatch], task: "Task") -> tuple[list[pa.RecordBatch], int]:
    """Results of rows of which one may end the host, in order, and how many did."""
    waiting = [batch.slice(row, 1) for batch in rows for row in range(batch.num_rows)][::-1]
    results: list[pa.RecordBatch] = []
    crashes = silent = times = 0
    while waiting:
        under_way = Unanswered()
        try:
            with hosts.session(alone=True) as (answer, reading, writing):
                one_at_a_time = replace(answer, window=2, window_bytes=1)  # goes out at once, and fills the window
                following = iter(waiting[::-1])
                for result in exchanged(following, under_way, one_at_a_time, (reading, writing)):
                    results.append(result)
                    del waiting[-result.num_rows :]
                    silent = times = 0
                _raise_if_failed(Answer.receive(reading))
        except PeerGoneError as error:
            asked = bool(under_way.take())
            times += asked
            silent += not asked
            reason = hosts.crash()
            if asked and (reason or times >= TIMES):
                results.append(_crashed(waiting.pop(), reason or "the process ended", task))
                crashes, times = crashes + 1, 0
            if silent > UNEXPLAINED or crashes > CRASHES:
                raise hosts.ended() from error
    return results, crashes


def _crashed(row: pa.RecordBatch, reason: str, task: "Task") -> pa.RecordBatch:
    values = {
        "entity_id": row["entity_id"][0].as_py(),
        "status": str(Status.FAILED),
        "error_code": str(ErrorCode.DECODER_CRASHED),
        "error_detail": reason,
        "worker": socket.gethostname(),
    }
    return pa.RecordBatch.from_pylist([values], task.outputs)


@dataclass(frozen=True)
class _Hosts:
    """The host of a place, and those after it: how to reach the one that is there, or start it."""

    place: Place
    request: Request
    cores: int | None
    idle_seconds: float
    deadline_seconds: float
    lasting: bool
    waiting: Callable[[str], None] | None
    _reached: list[socket.socket] = field(default_factory=list)

    def reach(self) -> None:
        """Connect with the host that is there, or start it, for the next session.

        Raises:
            NoChildProcessError: it would have to be started, and no process may be.
        """
        if not self._reached:
            connection = connected(
                self.place,
                self.cores,
                self.idle_seconds,
                deadline_seconds=self.deadline_seconds,
                lasting=self.lasting,
                waiting=self.waiting,
            )
            self._reached.append(connection)

    @contextmanager
    def session(self, *, alone: bool = False) -> Iterator[tuple[Answer, BinaryIO, BinaryIO]]:
        """A connection on which the model is loaded: what the host wants to have under way, and the streams.

        Raises:
            PeerGoneError: the host has ended.
            ConnectionError: it was stuck, and was ended.
        """
        try:
            self.reach()
        except NoChildProcessError as error:
            raise self.ended(f"ended, and {error}") from error
        connection = self._reached.pop()

        def silent() -> None:
            reason = stuck(self._directory(), self.deadline_seconds)
            if reason is not None:
                end_peer(connection)
                raise self.ended(f"was ended, as {reason}")

        with streams(connection, self.deadline_seconds, silent) as (reading, writing):
            replace(self.request, alone=alone).send(writing)
            until = time.monotonic() + LOADING * self.deadline_seconds
            while (answer := Answer.receive(reading)).waiting:
                if time.monotonic() > until:
                    end_peer(connection)
                    raise self.ended(f"was ended, as this took too long: {answer.waiting}")
                if self.waiting is not None:
                    self.waiting(answer.waiting)
            _raise_if_failed(answer)
            yield answer, reading, writing

    def crash(self) -> str | None:
        """What has crashed the last one, if it said so."""
        return crash(self._directory())

    def ended(self, how: str | None = None) -> ConnectionError:
        """The error of a task that cannot go on."""
        how = how or f"ended while it was at work ({last_words(self._directory())})"
        return ConnectionError(
            f"the process that holds the model on {socket.gethostname()} {how}; the task is to be tried again, which "
            "starts a new one."
        )

    def _directory(self) -> Path:
        return host_directory(self.place, lasting=self.lasting)


def _raise_if_failed(answer: Answer) -> None:
    if answer.error:
        kind = getattr(udfs.errors, answer.error, ClaimlensError)
        raise kind(answer.message)
