"""Writing and reading a Lance index on the executors: the driver commits what the tasks that succeeded tell of."""

import json
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa

ArrowBatches = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
MODULUS = 1 << 64
ROWS_PER_FILE = 1 << 17
"""At 512 numbers some 300 MB a file: one deleted row rewrites one such file."""
WRITTEN_SCHEMA = "fragment STRING, rows BIGINT, checksum DECIMAL(20, 0)"
"""What a task tells of each fragment: Lance's description of it as JSON, its rows, and the sum of their hashes."""


def write_batches(uri: str, schema: pa.Schema, hashes: tuple[str, ...], *, append: bool) -> ArrowBatches:
    """A mapInArrow function that writes its rows into data files of a dataset, in the dataset's schema.

    Files of a task that failed, or that ran twice, belong to no version, and the next clean-up removes them.
    """
    return partial(_written, uri=uri, schema=schema, hashes=hashes, mode="append" if append else "overwrite")


def _written(
    batches: Iterator[pa.RecordBatch], *, uri: str, schema: pa.Schema, hashes: tuple[str, ...], mode: str
) -> Iterator[pa.RecordBatch]:
    from lance.fragment import write_fragments

    rows, checksum = 0, 0

    def told() -> Iterator[pa.RecordBatch]:
        nonlocal rows, checksum
        for batch in batches:
            if batch.num_rows:
                row = fitted(batch, schema)
                rows += row.num_rows
                checksum = (checksum + checksum_of(row, hashes)) % MODULUS
                yield row

    stream = told()
    first = next(stream, None)
    if first is None:
        return

    def all_rows() -> Iterator[pa.RecordBatch]:
        yield first
        yield from stream

    reader = pa.RecordBatchReader.from_batches(schema, all_rows())
    fragments = write_fragments(reader, uri, schema, mode=mode, max_rows_per_file=ROWS_PER_FILE)
    told_rows = [fragment.physical_rows for fragment in fragments]
    sums = [checksum, *([0] * (len(fragments) - 1))]
    yield pa.RecordBatch.from_pydict(
        {
            "fragment": [json.dumps(fragment.to_json()) for fragment in fragments],
            "rows": pa.array(told_rows, pa.int64()),
            "checksum": pa.array(sums, pa.decimal128(20, 0)),
        }
    )


def checksum_of(rows: pa.RecordBatch | pa.Table, hashes: tuple[str, ...]) -> int:
    """Sum modulo 2^64 of the rows' 64-bit hashes, which the columns `hashes` hold."""
    total = 0
    for name in hashes:
        for values in rows.column(name).chunks if isinstance(rows, pa.Table) else [rows.column(name)]:
            if len(values):
                signed = values.to_numpy(zero_copy_only=False)
                total += int(np.add.reduce(signed.view(np.uint64), dtype=np.uint64))
    return total % MODULUS


def fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in the index's types; vectors of another length than the schema's raise ValueError."""
    columns = []
    for field in schema:
        column = batch.column(field.name)
        if pa.types.is_fixed_size_list(field.type) and not pa.types.is_fixed_size_list(column.type):
            size = field.type.list_size
            flat = column.flatten().cast(field.type.value_type)
            if column.null_count or len(flat) != size * len(column):
                raise ValueError(f"{field.name}: every vector must have {size} numbers")
            column = pa.FixedSizeListArray.from_arrays(flat, size)
        elif column.type != field.type:
            column = column.cast(field.type)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)
