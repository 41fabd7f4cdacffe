"""What the tasks of a host have under way together: how many bytes, which of them works alone, and since when nothing
was finished."""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from concurrent.futures import Future

    from udfs.inference.engine import Content, Embedded, Engine
    from udfs.inference.tasks import Task

HOST_BYTES = 1024**3
"""Bytes of contents that a host takes in at most, for all its tasks; less where that is an eighth of the memory."""


def host_bytes() -> int:
    """What this machine's hosts take in at most, each."""
    return min(HOST_BYTES, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8)


class Workload:
    """Shared by the threads of all tasks."""

    def __init__(self, most_bytes: int) -> None:
        self.changed = threading.Condition()
        self._most_bytes = most_bytes
        self._shares: list[Share] = []
        self._alone: Share | None = None
        self._portions = 0
        self._finished = time.monotonic()

    @contextmanager
    def share(self, engine: "Engine", task: "Task", *, alone: bool = False) -> "Iterator[Share]":
        """A task's share while it is served. `alone`: waits until nothing else is under way, and lets nothing else
        begin meanwhile; if the process then ends, it is this task's rows that have ended it."""
        share = Share(self, engine, task)
        with self.changed:
            if alone:
                self.changed.wait_for(lambda: self._alone is None)
                self._alone = share
                self.changed.wait_for(lambda: not self._portions)
            self._shares.append(share)
        try:
            yield share
        finally:
            with self.changed:
                self._shares.remove(share)
                share.is_over = True
                self._alone = None if self._alone is share else self._alone
                self.changed.notify_all()

    @property
    def share_bytes(self) -> int:
        """Bytes of each task: the more there are, the fewer each has."""
        return max(1, self._most_bytes // max(1, len(self._shares)))

    @property
    def still_seconds(self) -> float:
        """Seconds since a portion was finished, or since the first one began."""
        return time.monotonic() - self._finished

    def engines(self) -> "list[Engine]":
        """Those that serve a task now."""
        with self.changed:
            return list({id(share.engine): share.engine for share in self._shares}.values())

    def begin(self, share: "Share") -> None:
        """Count a portion in; waits while another task works alone."""
        with self.changed:
            self.changed.wait_for(lambda: self._alone is None or self._alone is share)
            self._finished = self._finished if self._portions else time.monotonic()
            self._portions += 1

    def finish(self, share: "Share", size: int) -> None:
        """Count it out."""
        with self.changed:
            self._portions -= 1
            self._finished = time.monotonic()
            share.held_bytes -= size
            self.changed.notify_all()


class Share:
    """One task's part of a host. Implements engine.Engine, for the portions of this task."""

    def __init__(self, workload: Workload, engine: "Engine", task: "Task") -> None:
        self.engine = engine
        self.held_bytes = 0
        self.is_over = False
        self._workload = workload
        self._task = task
        self.model_key, self.dimension, self.tasks = engine.model_key, engine.dimension, engine.tasks

    @property
    def portion(self) -> int:
        """See engine.Engine."""
        return self.engine.portion

    @property
    def window(self) -> int:
        """See engine.Engine."""
        return self.engine.window

    def taken(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """What the task sends, no faster than its share allows: where it is full, what there is goes out at once."""
        for batch in batches:
            with self._workload.changed:
                self.held_bytes += pc.sum(pc.binary_length(batch.column(self._task.column))).as_py() or 0
            yield batch
            if self.held_bytes > self._workload.share_bytes:
                yield batch.slice(0, 0)
                with self._workload.changed:
                    self._workload.changed.wait_for(
                        lambda: self.is_over or self.held_bytes <= self._workload.share_bytes
                    )

    def submit(self, task: str, contents: "Sequence[Content]") -> "Future[Embedded]":
        """See engine.Engine."""
        size = sum(content.size for content in contents if content is not None)
        self._workload.begin(self)
        try:
            future = self.engine.submit(task, contents)
        except BaseException:
            self._workload.finish(self, size)
            raise
        future.add_done_callback(lambda _: self._workload.finish(self, size))
        return future

    def gauges(self) -> Mapping[str, float]:
        """See engine.Engine."""
        return self.engine.gauges()

    def health(self) -> None:
        """See engine.Engine."""
        self.engine.health()

    def close(self) -> None:
        """See engine.Engine; the host's models close it."""
