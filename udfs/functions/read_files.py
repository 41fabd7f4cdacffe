"""Reading files on the executors, by the paths that `list_files` gave: bytes and their hash, or why there are none."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow as pa

from udfs.functions.batches import BatchFunction
from udfs.functions.file_names import path_bytes
from udfs.functions.list_files import SCHEME

READ_COLUMNS = (("photo_id", pa.string()), ("content", pa.binary()), ("problem", pa.string()))
"""What is added to each row: SHA-256 of the bytes, the bytes, and where there are none the reason in few words."""
OUTPUT_BATCH_BYTES = 8 * 1024 * 1024
"""Bytes after which a batch goes out; one file more may be in it."""

Contents = tuple[str | None, bytes | None, str | None]


def read_files(*, maximum_bytes: int, threads: int) -> BatchFunction:
    """Make the function for `DataFrame.mapInArrow` that reads the files of a task.

    Batches come in with a column path (file:/...) and any others; each row goes out with `READ_COLUMNS` added, in the
    same order. `threads` files are read at once, and twice as many held. Of a file that has grown beyond
    `maximum_bytes` since it was listed one byte more than that is read, so that it is told from one that fits.
    """
    return partial(_read_files, maximum_bytes=maximum_bytes, threads=threads)


def _read_files(batches: Iterator[pa.RecordBatch], *, maximum_bytes: int, threads: int) -> Iterator[pa.RecordBatch]:
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    try:
        for batch in batches:
            schema = batch.schema
            for name, kind in READ_COLUMNS:
                schema = schema.append(pa.field(name, kind))
            paths = iter(batch.column("path").to_pylist())
            waiting = [pool.submit(_contents, path, maximum_bytes) for path in islice(paths, 2 * threads)]
            first, held, rows = 0, 0, []
            while waiting:
                rows.append(waiting.pop(0).result())
                held += len(rows[-1][1] or b"")
                waiting += [pool.submit(_contents, path, maximum_bytes) for path in islice(paths, 1)]
                if held >= OUTPUT_BATCH_BYTES or not waiting:
                    yield _joined(batch.slice(first, len(rows)), rows, schema)
                    first, held, rows = first + len(rows), 0, []
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _contents(path: str, maximum_bytes: int) -> Contents:
    try:
        with Path(os.fsdecode(path_bytes(path.removeprefix(SCHEME)))).open("rb") as stream:
            content = stream.read(maximum_bytes + 1)
    except OSError as error:
        return None, None, error.strerror or type(error).__name__
    return hashlib.sha256(content).hexdigest(), content, None


def _joined(batch: pa.RecordBatch, rows: list[Contents], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    added = [pa.array(values, kind) for values, (_, kind) in zip(columns, READ_COLUMNS, strict=True)]
    return pa.RecordBatch.from_arrays([*batch.columns, *added], schema=schema)
