"""Rows to the host and results back, at the same time and on one thread."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import pyarrow as pa

from udfs.inference.host.connection import PeerGoneError
from udfs.inference.host.wire import Answer

PIECE_BYTES = 8 * 1024 * 1024
"""What is sent at a time: a host takes in no more than its tasks' shares and one of these for each."""


class Unanswered:
    """The rows that were sent and have not come back, oldest first."""

    def __init__(self) -> None:
        self.rows = self.bytes = 0
        self._sent: deque[pa.RecordBatch] = deque()

    def add(self, batch: pa.RecordBatch) -> None:
        """They are sent."""
        self._sent.append(batch)
        self.rows += batch.num_rows
        self.bytes += batch.nbytes

    def answered(self, rows: int) -> None:
        """The oldest have come back."""
        self.rows -= rows
        while rows:
            oldest = self._sent.popleft()
            self.bytes -= oldest.nbytes
            if oldest.num_rows > rows:
                rest = oldest.slice(rows)
                self._sent.appendleft(rest)
                self.bytes += rest.nbytes
                return
            rows -= oldest.num_rows

    def take(self) -> list[pa.RecordBatch]:
        """All of them, which are then no longer here."""
        taken = list(self._sent)
        self.rows = self.bytes = 0
        self._sent.clear()
        return taken


class Ahead:
    """An iterator that can tell whether it is over."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._next: pa.RecordBatch | None = None

    def is_over(self) -> bool:
        """Whether there is nothing more."""
        self._next = next(self._batches, None) if self._next is None else self._next
        return self._next is None

    def __iter__(self) -> "Ahead":
        return self

    def __next__(self) -> pa.RecordBatch:
        if self.is_over():
            raise StopIteration
        following, self._next = self._next, None
        return following


def pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of PIECE_BYTES at most, or of one row; nothing is copied."""
    for batch in batches:
        rows = max(1, batch.num_rows * PIECE_BYTES // max(1, batch.nbytes))
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def exchanged(
    batches: Iterator[pa.RecordBatch],
    unanswered: Unanswered,
    window: Answer,
    streams: tuple[BinaryIO, BinaryIO],
) -> Iterator[pa.RecordBatch]:
    """Send batches, of which there has to be one, and receive results, so that the host has always a window of rows and
    never much more.

    Raises:
        PeerGoneError: the host is gone; what it has not answered is in `unanswered`.
    """
    reading, writing = streams
    sending: pa.ipc.RecordBatchStreamWriter | None = None
    receiving: pa.RecordBatchReader | None = None
    for batch in batches:
        sending = sending or pa.ipc.new_stream(writing, batch.schema)
        unanswered.add(batch)
        if not _sent(sending, batch, writing):
            break
        hurried = False
        while unanswered.rows >= window.window or unanswered.bytes >= window.window_bytes:
            if unanswered.rows < window.window and not hurried:
                # Nothing more comes for now: the host shall not wait for a full portion.
                hurried = _sent(sending, batch.slice(0, 0), writing)
            receiving = receiving or pa.ipc.open_stream(reading)
            result = next(receiving, None)
            if result is None:  # it gave up; why is what it says next
                return
            unanswered.answered(result.num_rows)
            yield result
    if sending is not None:
        _sent(sending, None, writing)
    for result in receiving or pa.ipc.open_stream(reading):
        unanswered.answered(result.num_rows)
        yield result


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
