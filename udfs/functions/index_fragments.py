"""Writing and reading a Lance index on the executors: the driver commits what the tasks that succeeded tell of."""

import json
import os
import pickle
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from udfs.functions.batches import BatchFunction
from udfs.functions.index_damage import damage_marked

MODULUS = 1 << 64
ROWS_PER_FILE = 1 << 17
"""At 512 numbers some 300 MB a file: one deleted row rewrites one such file."""
READ_ROWS = 2048
RELABELLED_SCHEMA = "fragment STRING, fields ARRAY<INT>, rows BIGINT"
WRITTEN_SCHEMA = "fragment STRING, rows BIGINT, checksum DECIMAL(20, 0)"
"""What a task tells of each fragment: Lance's description of it as JSON, its rows, and the sum of their hashes."""


def write_batches(uri: str, schema: pa.Schema, hashes: tuple[str, ...], *, append: bool) -> BatchFunction:
    """A mapInArrow function that writes its rows into data files of a dataset, in the dataset's schema.

    Files of a task that failed, or that ran twice, belong to no version, and the next clean-up removes them.
    """
    return partial(_written, uri=uri, schema=schema, hashes=hashes, mode="append" if append else "overwrite")


def _written(
    batches: Iterator[pa.RecordBatch], *, uri: str, schema: pa.Schema, hashes: tuple[str, ...], mode: str
) -> Iterator[pa.RecordBatch]:
    os.environ.setdefault("LANCE_LOG", "error")  # else it warns of each new dataset that it is new
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


def read_batches(uri: str, version: int, columns: tuple[str, ...]) -> BatchFunction:
    """A mapInArrow function from numbers of fragments (column `fragment`) to their rows.

    Beside the columns it gives `fragment` and `row`, the row's address in this version.
    """
    return partial(_read, uri=uri, version=version, columns=columns)


def _read(
    batches: Iterator[pa.RecordBatch], *, uri: str, version: int, columns: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    import lance

    with damage_marked():
        dataset = lance.dataset(uri, version=version)
        for numbers in batches:
            for number in numbers.column("fragment").to_pylist():
                fragment = dataset.get_fragment(number)
                for batch in fragment.to_batches(columns=list(columns), with_row_id=True, batch_size=READ_ROWS):
                    # Spark knows no list of a fixed length.
                    held = [_as_list(batch.column(name)) for name in columns]
                    row = batch.column("_rowid").cast(pa.int64())
                    marks = [pa.array([number] * batch.num_rows, pa.int32()), row]
                    yield pa.RecordBatch.from_arrays([*held, *marks], [*columns, "fragment", "row"])


def relabel_table(uri: str, version: int, columns: tuple[str, ...]) -> Callable[[pa.Table], pa.Table]:
    """An applyInArrow function that gives the rows of one fragment (`fragment`, `row`) new values of these columns.

    It writes a data file beside the fragment's own, which stays as it is; the vectors are neither read nor written.
    """

    # Spark tells by the hints that a whole table is taken, and warns where a function has none, as a partial.
    def relabelled(rows: pa.Table) -> pa.Table:
        return _relabelled(rows, uri=uri, version=version, columns=columns)

    return relabelled


def _relabelled(rows: pa.Table, *, uri: str, version: int, columns: tuple[str, ...]) -> pa.Table:
    import lance

    with damage_marked():
        dataset = lance.dataset(uri, version=version)
        fragment = dataset.get_fragment(rows["fragment"][0].as_py())
        schema = pa.schema([dataset.schema.field(name) for name in columns])
        new = rows.select(list(columns)).cast(schema).append_column("_rowid", rows["row"].cast(pa.uint64()))
        changed, fields = fragment.update_columns(new.to_reader())
    return pa.table(
        {
            "fragment": [json.dumps(changed.to_json())],
            "fields": pa.array([fields], pa.list_(pa.int32())),
            "rows": pa.array([rows.num_rows], pa.int64()),
        }
    )


def index_batches(uri: str, version: int, column: str, options: bytes) -> BatchFunction:
    """A mapInArrow function from numbers of fragments to the pickled segment of a vector index over them."""
    return partial(_indexed, uri=uri, version=version, column=column, options=options)


def _indexed(
    batches: Iterator[pa.RecordBatch], *, uri: str, version: int, column: str, options: bytes
) -> Iterator[pa.RecordBatch]:
    import lance

    numbers = sorted({number for batch in batches for number in batch.column("fragment").to_pylist()})
    if numbers:
        with damage_marked():
            dataset = lance.dataset(uri, version=version)
            segment = dataset.create_index_uncommitted(column, fragment_ids=numbers, **pickle.loads(options))
        yield pa.RecordBatch.from_pydict({"segment": pa.array([pickle.dumps(segment)], pa.binary())})


def compact_batches(uri: str) -> BatchFunction:
    """A mapInArrow function that carries out pickled tasks of a compaction, and gives the pickled results."""
    return partial(_compacted, uri=uri)


def _compacted(batches: Iterator[pa.RecordBatch], *, uri: str) -> Iterator[pa.RecordBatch]:
    import lance

    for batch in batches:
        for task in batch.column("task").to_pylist():
            with damage_marked():
                result = pickle.loads(task).execute(lance.dataset(uri))
            yield pa.RecordBatch.from_pydict({"result": pa.array([pickle.dumps(result)], pa.binary())})


def _as_list(column: pa.Array) -> pa.Array:
    if not pa.types.is_fixed_size_list(column.type):
        return column
    return column.cast(pa.list_(column.type.value_type))


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
