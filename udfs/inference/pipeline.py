"""The whole core on one page: read → decode → forward → write.

Photos come in as Arrow batches of JPEG bytes, however Spark cut them; they go through the model in portions of the
size that suits the device; vectors leave as Arrow batches, one row for each that came in, in order. Several portions
are under way at once, in the threads of an engine (engines/): while one is decoded, another is in the model.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from udfs.images.frames import decode_frame
from udfs.images.photo_error import PhotoError
from udfs.inference.isolation import Clock, Embedded, Failure, Seconds, embed_rows, failure_of, padded
from udfs.inference.vectors import unit_rows
from udfs.outcome import ErrorCode, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from udfs.inference.engines.protocol import Content, Engine
    from udfs.inference.isolation import Fit
    from udfs.inference.network import Encoder
    from udfs.inference.pixels import Prepared

EMBEDDING_SCHEMA = (
    "entity_id string, vector array<float>, dimension int, norm double, status string, error_code string, "
    "error_detail string, worker string, measures map<string,double>"
)
"""What the Arrow iterators give, for mapInArrow. `worker` is host:process of the process that holds the model.
`measures` stands in the first row of each batch: seconds of work in it by stage (decode, resize, copy, launch,
forward, wait), `rows`, and of that process loads, load_seconds, resident_bytes, peak_bytes, batch_size."""

ARROW_EMBEDDING_SCHEMA = pa.schema(
    [
        ("entity_id", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("dimension", pa.int32()),
        ("norm", pa.float64()),
        ("status", pa.string()),
        ("error_code", pa.string()),
        ("error_detail", pa.string()),
        ("worker", pa.string()),
        ("measures", pa.map_(pa.string(), pa.float64())),
    ]
)
"""The same as EMBEDDING_SCHEMA, for Arrow."""

PORTION_BYTES = 64 * 1024 * 1024
"""A portion is also full when its photos hold this much: giants must not wait for many more of their kind."""
OUTPUT_ROWS = 1024


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


def embed_photos(
    encoder: "Encoder",
    jpegs: "Sequence[Content]",
    fit: "Fit | None" = None,
    static_rows: int | None = None,
    clock: Clock = time.perf_counter,
) -> Embedded:
    """Decode and forward: one portion of JPEGs to unit vectors on the calling thread; an engine of the CPU runs one
    of these per core.

    Each photo is brought to the model's size right after decoding, while it is still in the core's cache. With
    `static_rows` every batch is padded to that many rows, as a compiled model wants it. `clock` times the stages.

    Raises:
        ModelError: the model cannot do this at all.
    """
    seconds = Seconds(clock)
    prepared = [prepare_photo(encoder, jpeg, seconds) for jpeg in jpegs]

    def encode(photos: "Sequence[Prepared]") -> "NDArray[np.float32]":
        with seconds.of("copy"):
            batch = encoder.pixels.batch(photos, encoder.device, encoder.dtype)
        with seconds.of("forward"):
            features = encoder.features(padded(batch, static_rows or len(photos)))
            return unit_rows(features[: len(photos)], encoder.dimension)

    embedded = embed_rows(encode, prepared, encoder.dimension, fit)
    embedded.seconds = seconds
    return embedded


def prepare_photo(encoder: "Encoder", jpeg: "Content", seconds: Seconds) -> "Prepared | Failure":
    """Decode one sanitised JPEG and resize it for the model: its input, or the Failure that says why not."""
    if jpeg is None:
        return Failure(ErrorCode.UNREADABLE, "no photo in this row")
    try:
        with seconds.of("decode"):
            frame = decode_frame(memoryview(jpeg), encoder.pixels.at_least)
        with seconds.of("resize"):
            return encoder.pixels.prepare(frame)
    except PhotoError as error:
        return Failure(error.code, error.detail)
    except Exception as error:
        return failure_of(error)


def embed_texts(
    encoder: "Encoder", texts: "Sequence[Content]", fit: "Fit | None" = None, clock: Clock = time.perf_counter
) -> Embedded:
    """The same for texts, in UTF-8; blank ones have no vector.

    Raises:
        ModelError: the model has no text tower.
    """
    seconds = Seconds(clock)
    read = ["" if text is None else str(memoryview(text), "utf-8") for text in texts]
    inputs = [text if text.strip() else Failure(ErrorCode.EMPTY, "no text") for text in read]
    with seconds.of("forward"):
        embedded = embed_rows(encoder.encode_texts, inputs, encoder.dimension, fit)
    embedded.seconds = seconds
    return embedded


def submitted(
    engine: "Engine", batches: Iterator[pa.RecordBatch], column: str
) -> "Iterator[tuple[pa.Array, Future[Embedded]]]":
    """Hand what is read to the engine's threads, a portion at a time: entity ids, and the portion's result to come."""
    for ids, contents in portions(batches, column, lambda: engine.portion):
        yield ids, engine.submit(column, contents)


def embed_batches(
    engine: "Engine", batches: Iterator[pa.RecordBatch], column: str, worker: str
) -> Iterator[pa.RecordBatch]:
    """The page in one function, where reading and writing share a thread; the host process has one for each.

    Args:
        engine: decodes and forwards in threads of its own.
        batches: columns entity_id and `column`: jpeg (binary) or text (string).
        column: jpeg or text.
        worker: who does it, for the column worker.

    Yields:
        Batches of ARROW_EMBEDDING_SCHEMA.
    """
    waiting: deque[tuple[pa.Array, Future[Embedded]]] = deque()
    rows = 0
    for ids, future in submitted(engine, batches, column):
        waiting.append((ids, future))
        rows += len(ids)
        while rows > engine.window:
            rows -= len(waiting[0][0])
            yield written([_finished(*waiting.popleft())], engine.gauges(), worker)
    while waiting:
        yield written([_finished(*waiting.popleft())], engine.gauges(), worker)


def _finished(ids: pa.Array, future: "Future[Embedded]") -> tuple[pa.Array, Embedded]:
    return ids, future.result()


def written(done: "Sequence[tuple[pa.Array, Embedded]]", gauges: Mapping[str, float], worker: str) -> pa.RecordBatch:
    """Write: finished portions as one batch of ARROW_EMBEDDING_SCHEMA; vectors go from numpy to Arrow as they are."""
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
    measures = {"rows": float(count), **gauges}
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
        pa.repeat(pa.scalar(worker), count),
        pa.array([list(measures.items()), *[None] * (count - 1)], pa.map_(pa.string(), pa.float64())),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ARROW_EMBEDDING_SCHEMA)
