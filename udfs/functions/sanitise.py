"""Sanitising as a function over Arrow batches, for `DataFrame.mapInArrow`."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from udfs.functions.batches import BatchFunction
from udfs.images.decoders.pool import decoders
from udfs.images.photo import SanitisedPhoto, SanitiseLimits
from udfs.outcome import ErrorCode, Status

SANITISED_SCHEMA = pa.schema(
    [
        ("photo_id", pa.string()),
        ("jpeg", pa.binary()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("original_width", pa.int32()),
        ("original_height", pa.int32()),
        ("original_format", pa.string()),
        ("original_bytes", pa.int64()),
        ("captured_at", pa.timestamp("us")),
        ("perceptual_hash", pa.int64()),
        ("status", pa.string()),
        ("error_code", pa.string()),
        ("error_detail", pa.string()),
    ]
)
"""What comes out for each photo; in Spark's words string, binary, int, bigint and timestamp_ntz."""

OUTPUT_BATCH_BYTES = 8 * 1024 * 1024
"""JPEG bytes after which a batch goes out; one photo more may be in it."""
OUTPUT_BATCH_ROWS = 1024
LOOK_AHEAD_PER_THREAD = 2
"""Photos begun before they are asked for: enough to keep a thread busy, few enough to hold in memory."""

_FIELDS = (
    "jpeg",
    "width",
    "height",
    "original_width",
    "original_height",
    "original_format",
    "captured_at",
    "perceptual_hash",
)
_UNREADABLE = SanitisedPhoto(Status.FAILED, ErrorCode.UNREADABLE, "the file was listed but its bytes could not be read")


def sanitise_batches(
    limits: SanitiseLimits, *, threads: int = 2, pass_through: pa.Schema | None = None
) -> BatchFunction:
    """Make the function for `DataFrame.mapInArrow` that sanitises the photos of an executor's task.

    Batches come in with columns photo_id (string) and content (binary, the original's bytes; null when they could not
    be read). For each row one row goes out, in the same order, in batches of `SANITISED_SCHEMA`, followed by the
    columns of `pass_through` taken over as they came. `threads` photos are decoded at once, each by a process that it
    cannot take along (udfs/images/decoders); at most twice as many are held in advance. Raises ValueError on fewer
    than one thread.
    """
    if threads < 1:
        raise ValueError(f"threads must be 1 or more, it is {threads}")
    # A partial of a module's function travels to the executors by name; a closure would be copied with its globals.
    return partial(_sanitise_batches, limits=limits, threads=threads, pass_through=pass_through or pa.schema([]))


@dataclass(frozen=True)
class _Row:
    photo_id: str | None
    original_bytes: int | None
    passed: tuple[Any, ...]
    photo: Future[SanitisedPhoto]


@dataclass
class _Output:
    """Rows of the next batch, column by column."""

    schema: pa.Schema
    columns: dict[str, list[Any]] = field(init=False)
    rows: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        self.columns = {name: [] for name in self.schema.names}

    def add(self, row: _Row, photo: SanitisedPhoto) -> None:
        values: dict[str, Any] = {name: getattr(photo, name) for name in _FIELDS}
        values["photo_id"] = row.photo_id
        values["original_bytes"] = row.original_bytes
        values["status"] = str(photo.status)
        values["error_code"] = None if photo.error_code is None else str(photo.error_code)
        values["error_detail"] = photo.error_detail
        values.update(zip(self.schema.names[len(SANITISED_SCHEMA) :], row.passed, strict=True))
        for name, column in self.columns.items():
            column.append(values[name])
        self.rows += 1
        self.bytes += len(photo.jpeg or b"")

    @property
    def full(self) -> bool:
        return self.rows >= OUTPUT_BATCH_ROWS or self.bytes >= OUTPUT_BATCH_BYTES

    def batch(self) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict(self.columns, schema=self.schema)


def _sanitise_batches(
    batches: Iterator[pa.RecordBatch], *, limits: SanitiseLimits, threads: int, pass_through: pa.Schema
) -> Iterator[pa.RecordBatch]:
    schema = pa.schema([*SANITISED_SCHEMA, *pass_through])
    output = _Output(schema)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="sanitise")
    try:
        for row in _ahead(_rows(batches, pool, limits, pass_through.names), LOOK_AHEAD_PER_THREAD * threads):
            output.add(row, row.photo.result())
            if output.full:
                yield output.batch()
                output = _Output(schema)
        if output.rows:
            yield output.batch()
    finally:
        # Also where Spark stops asking half-way: nothing goes on decoding behind a finished task.
        pool.shutdown(wait=True, cancel_futures=True)


def _rows(
    batches: Iterator[pa.RecordBatch], pool: ThreadPoolExecutor, limits: SanitiseLimits, passed: list[str]
) -> Iterator[_Row]:
    """Begin to decode each photo as its row is asked for."""
    for batch in batches:
        identities, contents = batch.column("photo_id"), batch.column("content")
        others = [batch.column(name) for name in passed]
        for position in range(batch.num_rows):
            content = contents[position]
            buffer = content.as_buffer() if content.is_valid else None
            yield _Row(
                identities[position].as_py(),
                None if buffer is None else buffer.size,
                tuple(column[position].as_py() for column in others),
                pool.submit(_sanitise_buffer, buffer, limits),
            )


def _sanitise_buffer(buffer: pa.Buffer | None, limits: SanitiseLimits) -> SanitisedPhoto:
    return _UNREADABLE if buffer is None else decoders().sanitise(memoryview(buffer), limits)


def _ahead(rows: Iterator[_Row], most: int) -> Iterator[_Row]:
    """Ask for up to `most` rows before the first is needed; keep their order."""
    waiting: deque[_Row] = deque()
    for row in rows:
        waiting.append(row)
        if len(waiting) >= most:
            yield waiting.popleft()
    yield from waiting
