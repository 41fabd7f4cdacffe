"""Records of claims on the executors, to one row a claim."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa

from udfs.functions.batches import BatchFunction
from udfs.records.merging import KEY, merged

_ROWS = 2048


def merge_records(columns: Sequence[str]) -> BatchFunction:
    """Make the function for `DataFrame.mapInArrow` that gives one row for each claim that was delivered.

    Rows come sorted by claim_id, those of one claim in one task: `columns`, flags, raw, record_hash, version, given_at,
    absent, and `stored` (it stands in the table). What comes out is as `udfs.records.merging.merged` says.
    """
    return partial(_merge, columns=tuple(columns))


def _merge(batches: Iterator[pa.RecordBatch], *, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    kinds: dict[str, pa.DataType] = {}

    def rows() -> Iterator[dict[str, Any]]:
        for batch in batches:
            kinds.update(zip(batch.schema.names, batch.schema.types, strict=True))
            yield from batch.to_pylist()

    waiting: list[dict[str, Any]] = []
    for _, group in groupby(rows(), key=itemgetter(KEY)):
        alike = list(group)
        stored = next((row for row in alike if row["stored"]), None)
        delivered = [row for row in alike if not row["stored"]]
        if delivered:
            waiting.append(merged(stored, delivered, columns))
        if len(waiting) >= _ROWS:
            yield _batch(waiting, columns, kinds)
            waiting = []
    if waiting:
        yield _batch(waiting, columns, kinds)


def _batch(rows: list[dict[str, Any]], columns: Sequence[str], kinds: dict[str, pa.DataType]) -> pa.RecordBatch:
    names = (*columns, "flags", "raw", "record_hash", "given_at")
    fields = [pa.field(name, kinds[name]) for name in names] + [pa.field("older", pa.bool_())]
    return pa.RecordBatch.from_pylist(rows, schema=pa.schema(fields))
