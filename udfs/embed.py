"""Embed photos and texts inside Spark: Arrow iterators for the jobs, pandas UDFs for SQL and notebooks.

Every row that goes in comes out, with a unit vector or with a code that says why not. Photos are decoded and
resized by a few threads ahead of the model, which sees batches of batch_size however Spark cuts its Arrow
batches.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from udfs.encoders import ModelReference, describe_model, settled
from udfs.errors import ModelError
from udfs.images.decode import decode_rgb
from udfs.images.photo_error import PhotoError, one_line
from udfs.outcome import ErrorCode, Status
from udfs.residency import resident_encoder

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import Column

    from udfs.encoders.preprocessing import Prepared
    from udfs.encoders.protocol import Encoder

EMBEDDING_SCHEMA = (
    "entity_id string, vector array<float>, dimension int, norm double, status string, error_code string, "
    "error_detail string, worker string, load_seconds double, batch_seconds double"
)
"""What the Arrow iterators give, for mapInArrow. `worker` is host:process, `load_seconds` what its model took
to load, `batch_seconds` the wall time of the forward pass of the row's batch."""

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
        ("load_seconds", pa.float64()),
        ("batch_seconds", pa.float64()),
    ]
)
"""The same as EMBEDDING_SCHEMA, for Arrow."""

DECODING_THREADS = 2
BATCHES_AHEAD = 2

ArrowBatches = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """Why one row has no vector."""

    code: ErrorCode
    detail: str


@dataclass
class Embedded:
    """One batch after the model: `vectors` float32 [rows, dimension], unit rows, zero where `failures` has
    the row."""

    vectors: "NDArray[np.float32]"
    failures: dict[int, Failure] = field(default_factory=dict)
    seconds: float = 0.0


def embed_rows(
    encode: "Callable[[Sequence[T]], NDArray[np.float32]]", inputs: Sequence[T | Failure], dimension: int
) -> Embedded:
    """Encode what is not a Failure already, so that an input which breaks its batch fails alone.

    A batch that does not fit into memory is halved until it does; one that fails otherwise is repeated row by
    row.

    Raises:
        ModelError: the model itself cannot do this.
        Exception: the device is lost; the task has to be tried again on another worker.
    """
    embedded = Embedded(np.zeros((len(inputs), dimension), np.float32))
    began = time.perf_counter()
    waiting: list[list[int]] = [[]]
    for row, value in enumerate(inputs):
        if isinstance(value, Failure):
            embedded.failures[row] = value
        else:
            waiting[0].append(row)
    while waiting:
        rows = waiting.pop()
        if not rows:
            continue
        failure = None
        try:
            values = [value for row in rows if not isinstance(value := inputs[row], Failure)]
            embedded.vectors[rows] = encode(values)
        except Exception as error:
            failure = _failure(error)
        if failure is None:
            continue
        # Outside of the handler, whose traceback would keep the failed batch's tensors alive.
        if len(rows) == 1:
            embedded.failures[rows[0]] = failure
        elif failure.code is ErrorCode.OUT_OF_MEMORY:
            _free_memory()
            waiting += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
        else:
            waiting += [[row] for row in reversed(rows)]
    embedded.seconds = time.perf_counter() - began
    return embedded


def prepare_photo(encoder: "Encoder", jpeg: bytes | None) -> "Prepared | Failure":
    """Decode and preprocess one sanitised JPEG: the model's input arrays, or the Failure that says why not."""
    if jpeg is None:
        return Failure(ErrorCode.UNREADABLE, "no photo in this row")
    try:
        return encoder.prepare(decode_rgb(jpeg))
    except PhotoError as error:
        return Failure(error.code, error.detail)
    except Exception as error:
        return _failure(error)


def prepare_text(text: str | None) -> str | Failure:
    """The text, or the Failure that there is none."""
    return text if text and text.strip() else Failure(ErrorCode.EMPTY, "no text")


def embed_photo_batches(reference: ModelReference, batch_size: int = 32) -> ArrowBatches:
    """The function for DataFrame.mapInArrow(..., EMBEDDING_SCHEMA) over columns entity_id and jpeg.

    Call it on the driver: it settles the dtype and the model_key there, and workers that find another model
    under the same name refuse to mix it in. One model is loaded per worker, at its first row.

    Raises:
        ModelError: the model cannot be described.
    """
    return _arrow_batches(reference, batch_size, "jpeg")


def embed_text_batches(reference: ModelReference, batch_size: int = 32) -> ArrowBatches:
    """The same as embed_photo_batches over columns entity_id and text.

    Raises:
        ModelError: the model cannot be described, or has no text tower.
    """
    return _arrow_batches(reference, batch_size, "text")


def photo_embedding_udf(reference: ModelReference, batch_size: int = 32) -> "Callable[..., Column]":
    """A pandas UDF: column of sanitised JPEGs to array<float> unit vectors, null where a photo has none.

    For SQL, spark.udf.register("embed_photo", photo_embedding_udf(reference)).

    Raises:
        ModelError: the model cannot be described.
    """
    return _pandas_udf(reference, batch_size, "jpeg")


def text_embedding_udf(reference: ModelReference, batch_size: int = 32) -> "Callable[..., Column]":
    """A pandas UDF: column of texts to array<float> unit vectors, null where a text is blank or fails.

    Raises:
        ModelError: the model cannot be described, or has no text tower.
    """
    return _pandas_udf(reference, batch_size, "text")


def _settled_for(reference: ModelReference, column: str) -> tuple[ModelReference, str]:
    reference = settled(reference)
    description = describe_model(reference)
    if column == "text" and not description.has_text:
        from udfs.encoders.vision import no_text

        raise no_text(reference.name)
    return reference, description.model_key


def _arrow_batches(reference: ModelReference, batch_size: int, column: str) -> ArrowBatches:
    reference, key = _settled_for(reference, column)

    def embed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for ids, embedded, encoder in _embedded(reference, key, column, _rebatched(batches, column, batch_size)):
            yield _record_batch(ids, embedded, encoder)

    return embed


def _pandas_udf(reference: ModelReference, batch_size: int, column: str) -> "Callable[..., Column]":
    import pandas as pd
    from pyspark.sql.pandas.functions import pandas_udf

    reference, key = _settled_for(reference, column)

    def embed(values: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for series in values:
            cut = range(0, len(series), batch_size)
            portions = (([""] * batch_size, series.iloc[start : start + batch_size].tolist()) for start in cut)
            vectors: list[Any] = []
            for _, embedded, _ in _embedded(reference, key, column, portions):
                rows = enumerate(embedded.vectors)
                vectors.extend(None if row in embedded.failures else vector for row, vector in rows)
            yield pd.Series(vectors, dtype=object)

    declare: Any = pandas_udf  # its overloads want the deprecated functionType
    udf: Callable[..., Column] = declare(embed, "array<float>")
    return udf


def _embedded(
    reference: ModelReference, key: str, column: str, portions: Iterable[tuple[list[str], list[Any]]]
) -> "Iterator[tuple[list[str], Embedded, Encoder]]":
    """Embed portions of (ids, contents) in order, the next ones being prepared by threads meanwhile."""
    pool = ThreadPoolExecutor(DECODING_THREADS, thread_name_prefix="decode")
    prepared: deque[tuple[list[str], list[Future[Any]]]] = deque()
    try:
        encoder: Encoder | None = None
        for ids, contents in portions:
            encoder = encoder or _checked_encoder(reference, key)
            if column == "jpeg":
                prepared.append((ids, [pool.submit(prepare_photo, encoder, content) for content in contents]))
            else:
                prepared.append((ids, [pool.submit(prepare_text, content) for content in contents]))
            if len(prepared) > BATCHES_AHEAD:
                yield _next_embedded(encoder, column, prepared)
        while prepared and encoder is not None:
            yield _next_embedded(encoder, column, prepared)
    finally:
        pool.shutdown(cancel_futures=True)


def _next_embedded(
    encoder: "Encoder", column: str, prepared: deque[tuple[list[str], list[Future[Any]]]]
) -> "tuple[list[str], Embedded, Encoder]":
    ids, futures = prepared.popleft()
    encode: Callable[[Sequence[Any]], Any] = encoder.encode_prepared if column == "jpeg" else encoder.encode_texts
    return ids, embed_rows(encode, [future.result() for future in futures], encoder.dimension), encoder


def _checked_encoder(reference: ModelReference, key: str) -> "Encoder":
    encoder = resident_encoder(reference)
    if encoder.model_key != key:
        raise ModelError(
            f"model {reference.name} on {socket.gethostname()} has the key {encoder.model_key}, the driver's has "
            f"{key}; give every node the same files."
        )
    return encoder


def _rebatched(batches: Iterable[pa.RecordBatch], column: str, size: int) -> Iterator[tuple[list[str], list[Any]]]:
    ids: list[str] = []
    contents: list[Any] = []
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            portion = batch.slice(start, size - len(ids))
            ids += portion.column("entity_id").to_pylist()
            contents += portion.column(column).to_pylist()
            start += portion.num_rows
            if len(ids) == size:
                yield ids, contents
                ids, contents = [], []
    if ids:
        yield ids, contents


def _record_batch(ids: list[str], embedded: Embedded, encoder: "Encoder") -> pa.RecordBatch:
    count, dimension = embedded.vectors.shape
    failed = np.zeros(count, dtype=bool)
    failed[list(embedded.failures)] = True
    kept = np.ascontiguousarray(embedded.vectors[~failed])
    norms = np.linalg.norm(embedded.vectors.astype(np.float64), axis=1)
    ends = np.concatenate([[0], np.cumsum(np.where(failed, 0, dimension))]).astype(np.int32)
    failures = [embedded.failures.get(row) for row in range(count)]
    columns = [
        pa.array(ids, pa.string()),
        pa.ListArray.from_arrays(pa.array(ends), pa.array(kept.reshape(-1)), mask=pa.array(failed)),
        pa.array(np.full(count, dimension, np.int32), mask=failed),
        pa.array(norms, mask=failed),
        pa.array([str(Status.FAILED if failure else Status.OK) for failure in failures], pa.string()),
        pa.array([str(failure.code) if failure else None for failure in failures], pa.string()),
        pa.array([failure.detail if failure else None for failure in failures], pa.string()),
        pa.array([f"{socket.gethostname()}:{os.getpid()}"] * count, pa.string()),
        pa.array(np.full(count, encoder.load_seconds)),
        pa.array(np.full(count, embedded.seconds)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ARROW_EMBEDDING_SCHEMA)


def _failure(error: Exception) -> Failure:
    """What an error says about its input; errors that say something about the model or the device go on."""
    import torch

    if isinstance(error, (ModelError, torch.AcceleratorError)):
        raise error
    text = str(error)
    exhausted = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in text
    return Failure(ErrorCode.OUT_OF_MEMORY if exhausted else ErrorCode.MODEL_FAILED, _one_line(error))


def _free_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _one_line(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}")
