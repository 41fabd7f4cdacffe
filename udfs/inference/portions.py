"""Rows in and out: portions of what Spark sends, however it cut them; finished portions as Arrow batches, in order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from udfs.inference.tasks import EMBED_TEXTS
from udfs.outcome import Status

if TYPE_CHECKING:
    from udfs.inference.engine import Content, Embedded
    from udfs.inference.tasks import Task

PORTION_BYTES = 64 * 1024 * 1024
"""A portion is also full when its photos hold this much: giants must not wait for many more of their kind."""


def portions(
    batches: Iterator[pa.RecordBatch], column: str, size: Callable[[], int]
) -> "Iterator[tuple[pa.Array, list[Content]]]":
    """Read: entity ids and contents of up to `size()` rows, across the borders of Arrow batches and without a copy.

    A batch without rows means that the sender waits for what it has sent: what there is goes out at once.
    """
    ids: list[pa.Array] = []
    contents: list[Content] = []
    held = 0
    for batch in batches:
        start, most = 0, size()
        for row, value in enumerate(_contents(batch.column(column))):
            contents.append(value)
            held += 0 if value is None else value.size
            if len(contents) >= most or held >= PORTION_BYTES:
                yield pa.concat_arrays([*ids, batch.column("entity_id").slice(start, row + 1 - start)]), contents
                ids, contents, held, start, most = [], [], 0, row + 1, size()
        ids.append(batch.column("entity_id").slice(start))
        if contents and not batch.num_rows:
            yield pa.concat_arrays(ids), contents
            ids, contents, held = [], [], 0
    if contents:
        yield pa.concat_arrays(ids), contents


def _contents(values: pa.Array) -> "list[Content]":
    """Each row's bytes where they lie in Arrow's memory; a scalar's buffer would be a copy."""
    if not len(values):
        return []
    _, offsets, data = values.cast(pa.binary()).buffers()
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1].tolist()
    valid = values.is_valid().to_pylist()
    return [
        data.slice(start, end - start) if present else None
        for start, end, present in zip(ends[:-1], ends[1:], valid, strict=True)
    ]


def written(
    task: "Task", done: "Sequence[tuple[pa.Array, Embedded]]", gauges: Mapping[str, float], worker: str
) -> pa.RecordBatch:
    """Write: finished portions as one batch of task.outputs; vectors go from numpy to Arrow as they are."""
    ids = pa.concat_arrays([ids for ids, _ in done])
    vectors = np.concatenate([embedded.vectors for _, embedded in done])
    count, dimension = vectors.shape
    firsts = np.cumsum([0, *(len(ids) for ids, _ in done)])
    failures = {
        first + row: failure
        for first, (_, embedded) in zip(firsts, done, strict=False)
        for row, failure in embedded.failures.items()
    }
    failed = np.zeros(count, dtype=bool)
    failed[list(failures)] = True
    ends = np.concatenate([[0], np.cumsum(np.where(failed, 0, dimension))]).astype(np.int32)
    reasons = [failures.get(row) for row in range(count)] if failures else [None] * count
    cut = np.zeros(count, np.int32)
    for first, (_, embedded) in zip(firsts, done, strict=False):
        for row, tokens in embedded.tokens_cut.items():
            cut[first + row] = tokens
    measures = {"rows": float(count), **gauges}
    if cut.any():
        measures["cut"] = float(np.count_nonzero(cut))
    for _, embedded in done:
        for stage, seconds in embedded.seconds.items():
            measures[stage] = measures.get(stage, 0.0) + seconds
    columns = [
        ids,
        pa.ListArray.from_arrays(
            pa.array(ends), pa.array(np.ascontiguousarray(vectors[~failed]).reshape(-1)), mask=pa.array(failed)
        ),
        pa.array(np.full(count, dimension, np.int32), mask=failed),
        pa.array(np.linalg.norm(vectors.astype(np.float64), axis=1), mask=failed),
        pa.array(np.where(failed, str(Status.FAILED), str(Status.OK))),
        pa.array([None if reason is None else str(reason.code) for reason in reasons], pa.string()),
        pa.array([None if reason is None else reason.detail for reason in reasons], pa.string()),
        pa.array(cut, mask=failed) if task is EMBED_TEXTS else pa.nulls(count, pa.int32()),
        pa.repeat(pa.scalar(worker), count),
        pa.array([list(measures.items()), *[None] * (count - 1)], pa.map_(pa.string(), pa.float64())),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=task.outputs)
