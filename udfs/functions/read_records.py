"""Record files (claims, links) read on the executors, to rows of one schema whatever the files are."""

import os
from collections.abc import Iterable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from udfs.functions.batches import BatchFunction
from udfs.functions.file_names import path_bytes
from udfs.functions.list_files import ABSENT, SCHEME
from udfs.records.columns import Wanted
from udfs.records.form import Form
from udfs.records.problem import Code
from udfs.records.reading import Row, read_rows, row_of, unreadable

_PLACE = (("source", pa.string()), ("number", pa.int64()), ("line", pa.int64()))
_FINDINGS = tuple((name, pa.string()) for name in ("code", "detail", "raw", "absent", "flags"))
_ROWS = 2048
_SIGNS = 8 * 1024 * 1024
"""Signs of raw records after which a batch goes out."""


def record_fields(wanted: Wanted) -> str:
    """The schema of the rows as a Spark DDL string: where each comes from, what is wrong, and its columns as text."""
    place = "source STRING, number BIGINT, line BIGINT"
    findings = [f"{name} STRING" for name, _ in _FINDINGS]
    return ", ".join([place, *findings, *(f"`{name}` STRING" for name in wanted.columns)])


def read_records(form: Form, wanted: Wanted) -> BatchFunction:
    """Make the function for `DataFrame.mapInArrow` that reads files, to rows as `udfs.records.reading.Row` has them.

    Batches have the columns path (file:/...) and problem (why it cannot be looked at), and content where Spark has read
    the bytes.
    """
    return partial(_read, form=form, wanted=wanted)


def table_records(wanted: Wanted) -> BatchFunction:
    """Make the function for `DataFrame.mapInArrow` that brings rows of a table into the same shape.

    Batches have source, number, raw, and those of the wanted columns that the table has, as text and by our names.
    """
    return partial(
        _from_table, wanted=Wanted({name: name for name in wanted.columns}, wanted.keys, required=wanted.required)
    )


def _read(batches: Iterator[pa.RecordBatch], *, form: Form, wanted: Wanted) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        problems = batch.column("problem").to_pylist()
        for number, (path, problem) in enumerate(zip(batch.column("path").to_pylist(), problems, strict=True)):
            if problem is not None:
                code = Code.ABSENT if problem == ABSENT else Code.UNREADABLE
                yield from _batches([(path, unreadable(problem, wanted)._replace(code=code))], wanted)
                continue
            there = "content" in batch.schema.names
            content = batch.column("content")[number].as_py() if there else None
            rows = _file_rows(path, content, form, wanted)
            yield from _batches(((path, row) for row in rows), wanted)


def _file_rows(path: str, content: bytes | None, form: Form, wanted: Wanted) -> Iterator[Row]:
    if content is not None:
        yield from read_rows(BytesIO(content), form, wanted)
        return
    try:
        with Path(os.fsdecode(path_bytes(path.removeprefix(SCHEME)))).open("rb", buffering=0) as stream:
            yield from read_rows(cast(BinaryIO, stream), form, wanted)
    except OSError as error:
        yield unreadable(error, wanted)


def _from_table(batches: Iterator[pa.RecordBatch], *, wanted: Wanted) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        present = [name for name in wanted.columns if name in batch.schema.names]
        rows = []
        for fields in batch.to_pylist():
            found = {name: fields[name] for name in present}
            rows.append((fields["source"], row_of(fields["number"], None, found, fields["raw"], wanted)))
        yield from _batches(rows, wanted)


def _batches(rows: Iterable[tuple[str, Row]], wanted: Wanted) -> Iterator[pa.RecordBatch]:
    waiting: list[tuple[str, Row]] = []
    signs = 0
    for source, row in rows:
        waiting.append((source, row))
        signs += len(row.raw or "")
        if len(waiting) >= _ROWS or signs >= _SIGNS:
            yield _batch(waiting, wanted)
            waiting, signs = [], 0
    if waiting:
        yield _batch(waiting, wanted)


def _batch(rows: list[tuple[str, Row]], wanted: Wanted) -> pa.RecordBatch:
    schema = pa.schema([*_PLACE, *_FINDINGS, *((name, pa.string()) for name in wanted.columns)])
    columns = zip(*((source, *row[:-1], *row.values) for source, row in rows), strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
