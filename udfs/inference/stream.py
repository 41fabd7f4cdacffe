"""The whole core on one page: read → decode → forward → write.

    batches ──▶ portions ──▶ engine.submit ──▶ futures, in order ──▶ written ──▶ batches
    └──────── the reader, a thread ────────┘   └──────── who asks for results ────────┘

Rows come in as Arrow batches, however Spark cut them; they go through the model in portions of the size that suits its
engine; results leave as Arrow batches, one row for each that came in, in order. Several portions are under way at once,
in the engine's threads (engines/). The host process, a task that holds the model itself, and the tests run this page.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING

import pyarrow as pa

from udfs.inference.portions import portions, written

if TYPE_CHECKING:
    from udfs.inference.engine import Embedded, Engine
    from udfs.inference.tasks import Task

READER = "read-ahead"
"""Name of the threads that read."""
OUTPUT_ROWS = 1024
"""Rows of a result at most, give or take a portion."""


def stream(
    engine: "Engine",
    task: "Task",
    batches: Iterable[pa.RecordBatch],
    worker: str,
    gauges: Callable[[], Mapping[str, float]] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Take rows through an engine. A thread reads ahead, until as many rows are under way as the engine's window holds.

    Args:
        engine: does the work in threads of its own.
        task: what is asked of it.
        batches: columns of task.inputs; read by another thread, and never past the window and a portion.
        worker: who does it, for the column worker.
        gauges: what to measure beside the work; None asks the engine.

    Yields:
        Batches of task.outputs; what is finished at the same time in one.

    Raises:
        Exception: what reading the batches, or the engine, has raised.
    """
    under_way = _UnderWay(lambda: engine.window)
    reading = (engine, task, batches, under_way)
    threading.Thread(target=_read_ahead, args=reading, name=READER, daemon=True).start()
    done: list[tuple[pa.Array, Embedded]] = []

    def result() -> pa.RecordBatch:
        batch = written(task, done, engine.gauges() if gauges is None else gauges(), worker)
        under_way.release(batch.num_rows)
        done.clear()
        return batch

    try:
        while isinstance(following := under_way.next(), tuple):
            ids, future = following
            if done and (not future.done() or sum(len(finished) for finished, _ in done) >= OUTPUT_ROWS):
                yield result()
            done.append((ids, future.result()))
            if under_way.is_empty():
                yield result()
        if done:
            yield result()
        if following is not None:
            raise following
    finally:
        under_way.stop()


class _UnderWay:
    """Portions with the engine, in order; holds the reader back while they fill the window."""

    def __init__(self, window: Callable[[], int]) -> None:
        self._window = window
        self._changed = threading.Condition()
        self._waiting: deque[tuple[pa.Array, Future[Embedded]] | BaseException | None] = deque()
        self._rows = 0
        self._stopped = False

    def has_room(self) -> bool:
        """Wait until the window has room for one more portion; False: nobody wants its result any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._rows < self._window())
            return not self._stopped

    def put(self, following: "tuple[pa.Array, Future[Embedded]] | BaseException | None") -> None:
        """Add what the reader has submitted; an error it has met, or None for the end, comes last."""
        with self._changed:
            self._rows += len(following[0]) if isinstance(following, tuple) else 0
            self._waiting.append(following)
            self._changed.notify_all()

    def next(self) -> "tuple[pa.Array, Future[Embedded]] | BaseException | None":
        """The next portion; what the reader ended with after the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            return self._waiting.popleft()

    def is_empty(self) -> bool:
        """Whether the reader has submitted nothing more so far."""
        return not self._waiting

    def release(self, rows: int) -> None:
        """These rows are no longer under way."""
        with self._changed:
            self._rows -= rows
            self._changed.notify_all()

    def stop(self) -> None:
        """Let the reader go."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def _read_ahead(engine: "Engine", task: "Task", batches: Iterable[pa.RecordBatch], under_way: _UnderWay) -> None:
    try:
        for ids, contents in portions(iter(batches), task.column, lambda: engine.portion):
            if not under_way.has_room():
                return
            under_way.put((ids, engine.submit(task.name, contents)))
        under_way.put(None)
    except BaseException as error:
        under_way.put(error)
