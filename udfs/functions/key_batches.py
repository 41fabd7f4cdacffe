"""Keys in the place of texts, for columns that Spark made itself, such as a claim's number cut from a path."""

from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from udfs.functions.batches import BatchFunction
from udfs.keys import key_of


def key_batches(column: str) -> BatchFunction:
    """A mapInArrow function that puts `key_of` each text in `column`, null for what is no key; other columns pass."""
    return partial(_keyed, column=column)


def _keyed(batches: Iterator[pa.RecordBatch], *, column: str) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        index = batch.schema.get_field_index(column)
        keys = [key_of(text) for text in batch.column(index).to_pylist()]
        yield batch.set_column(index, column, pa.array(keys, pa.string()))
