"""Embed photos and texts inside Spark: Arrow iterators for the jobs, pandas UDFs for SQL and notebooks.

Every row that goes in comes out, with a unit vector or with a code that says why not. The task itself only passes
Arrow batches on: the host process of its device decodes and runs the model (udfs/inference).
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema

from udfs.errors import ModelError
from udfs.functions.batches import BatchFunction
from udfs.inference.host.client import run_task
from udfs.inference.tasks import EMBED_PHOTOS, EMBED_TEXTS, Task
from udfs.models import ModelReference, describe_model, settled

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import Column

__all__ = [
    "ARROW_EMBEDDING_SCHEMA",
    "EMBEDDING_SCHEMA",
    "embed_photo_batches",
    "embed_text_batches",
    "photo_embedding_udf",
    "text_embedding_udf",
]

ARROW_EMBEDDING_SCHEMA = EMBED_PHOTOS.outputs
"""What the Arrow iterators give, photos and texts alike; see tasks.Task.outputs."""
EMBEDDING_SCHEMA = from_arrow_schema(ARROW_EMBEDDING_SCHEMA)
"""The same for Spark."""


def embed_photo_batches(
    reference: ModelReference, batch_size: int | None = None, *, cores: int | None = None
) -> BatchFunction:
    """The function for DataFrame.mapInArrow(..., EMBEDDING_SCHEMA) over columns entity_id and jpeg.

    Call it on the driver: it settles the dtype and the model_key there, and executors that find another model
    under the same name refuse to mix it in. One model is loaded per device and executor, at its first row.

    Args:
        reference: the model.
        batch_size: photos that go through the model together; None takes what suits the device.
        cores: cores that inference may use on an executor; None takes all that the executor may use.

    Raises:
        ModelError: the model cannot be described.
    """
    return _arrow_batches(reference, EMBED_PHOTOS, batch_size, cores)


def embed_text_batches(
    reference: ModelReference, batch_size: int | None = None, *, cores: int | None = None
) -> BatchFunction:
    """The same as embed_photo_batches over columns entity_id and text.

    Raises:
        ModelError: the model cannot be described, or has no text tower.
    """
    return _arrow_batches(reference, EMBED_TEXTS, batch_size, cores)


def photo_embedding_udf(
    reference: ModelReference, batch_size: int | None = None, *, cores: int | None = None
) -> "Callable[..., Column]":
    """A pandas UDF: column of sanitised JPEGs to array<float> unit vectors, null where a photo has none.

    For SQL, spark.udf.register("embed_photo", photo_embedding_udf(reference)).

    Raises:
        ModelError: the model cannot be described.
    """
    return _pandas_udf(_arrow_batches(reference, EMBED_PHOTOS, batch_size, cores), EMBED_PHOTOS)


def text_embedding_udf(
    reference: ModelReference, batch_size: int | None = None, *, cores: int | None = None
) -> "Callable[..., Column]":
    """A pandas UDF: column of texts to array<float> unit vectors, null where a text is blank or fails.

    Raises:
        ModelError: the model cannot be described, or has no text tower.
    """
    return _pandas_udf(_arrow_batches(reference, EMBED_TEXTS, batch_size, cores), EMBED_TEXTS)


def _arrow_batches(reference: ModelReference, task: Task, batch_size: int | None, cores: int | None) -> BatchFunction:
    reference = settled(reference)
    description = describe_model(reference)
    if task.name not in description.tasks:
        raise ModelError(_not_done(reference.name, task))
    key = description.model_key

    def embed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return run_task(batches, reference, key, task.name, batch_size, cores=cores)

    return embed


def _not_done(name: str, task: Task) -> str:
    if task is EMBED_TEXTS:
        return (
            f"model {name} reads photos only; to embed passages, classify by prompts or search by words, set "
            f"models.photo.name to a CLIP or SigLIP model."
        )
    return f"model {name} does not do {task.name}; name another model."


def _pandas_udf(embed: BatchFunction, task: Task) -> "Callable[..., Column]":
    import pandas as pd
    from pyspark.sql.pandas.functions import pandas_udf

    def embedded(values: Iterator[pd.Series]) -> Iterator[pd.Series]:
        lengths: list[int] = []
        vectors: list[Any] = []
        for batch in embed(_as_batches(values, lengths, task)):
            vectors += batch.column("vector").to_pandas().tolist()
            while lengths and len(vectors) >= lengths[0]:
                count = lengths.pop(0)
                yield pd.Series(vectors[:count], dtype=object)
                vectors = vectors[count:]
        for _ in lengths:  # Spark wants as many series as it gave, empty ones too
            yield pd.Series([], dtype=object)

    declare: Any = pandas_udf  # its overloads want the deprecated functionType
    udf: Callable[..., Column] = declare(embedded, "array<float>")
    return udf


def _as_batches(values: "Iterator[pd.Series]", lengths: list[int], task: Task) -> Iterator[pa.RecordBatch]:
    for series in values:
        lengths.append(len(series))
        contents = pa.array(series, task.inputs.field(task.column).type, from_pandas=True)
        yield pa.RecordBatch.from_arrays([pa.repeat(pa.scalar(""), len(series)), contents], schema=task.inputs)
