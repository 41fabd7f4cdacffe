"""Classification on executors: an Arrow iterator for jobs and a pandas UDF for SQL and notebooks."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from udfs.errors import ModelError
from udfs.heads.decision import ClosestCall, Predictions
from udfs.heads.head import Head

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray
    from pyspark.sql import Column

    from udfs.functions.batches import BatchFunction

RESULT_FIELDS = (
    "scores map<string,float>, labels array<string>, severity string, part string, "
    "confidence float, margin float, closest struct<facet:string,name:string,other:string>, decision string"
)
"""What one photo's prediction holds, as a Spark DDL string."""
PREDICTION_SCHEMA = f"photo_id string, {RESULT_FIELDS}"
"""Columns that classify_batches gives, as a Spark DDL string."""


def prediction_arrow_schema() -> "pa.Schema":
    """PREDICTION_SCHEMA as Arrow types."""
    import pyarrow as pa

    return pa.schema([("photo_id", pa.string()), *_result_fields()])


def classify_batches(head: Head) -> "BatchFunction":
    """For DataFrame.mapInArrow: (photo_id, vector array<float>) to the columns of PREDICTION_SCHEMA.

    One row out for each row in. Vectors are read in place, without a copy from Arrow to numpy.

    Raises (in the task):
        ModelError: a vector is null, of another length than the head reads, zero, or not finite.
    """

    def classify(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        schema = prediction_arrow_schema()
        for batch in batches:
            if batch.num_rows:
                predictions = head.predict(vectors_of(batch.column("vector")))
                identities = batch.column("photo_id").cast(pa.string())
                yield pa.RecordBatch.from_arrays([identities, *_result_arrays(predictions)], schema=schema)

    return classify


def classify_udf(head: Head) -> "Callable[..., Column]":
    """A pandas UDF from a vector column to a struct of RESULT_FIELDS; a null vector gives a struct of nulls.

    For notebooks, and for SQL after `spark.udf.register("classify_damage", classify_udf(head))`.
    """
    from pyspark.sql.pandas import functions

    def classify(vectors: "pd.Series") -> "pd.DataFrame":
        return predictions_table(head, vectors)

    # Spark reads the annotations as types, and those above are text on purpose: pandas is imported late.
    import pandas as pd

    classify.__annotations__ = {"vectors": pd.Series, "return": pd.DataFrame}
    make: Any = functions.pandas_udf  # its overloads know no function whose annotations are set later
    made: Callable[..., Column] = make(classify, RESULT_FIELDS)
    return made


def predictions_table(head: Head, vectors: "pd.Series") -> "pd.DataFrame":
    """One row of RESULT_FIELDS per vector, all nulls where the vector is null."""
    import pandas as pd

    present = vectors.notna().to_numpy()
    names = [field.name for field in _result_fields()]
    table = pd.DataFrame({name: pd.Series([None] * len(vectors), dtype=object) for name in names})
    if present.any():
        positions = np.flatnonzero(present)
        predictions = head.predict(np.stack(vectors[present].to_list()))
        keys = predictions.score_keys
        columns: dict[str, list[Any]] = {
            "scores": [dict(zip(keys, row, strict=True)) for row in predictions.scores.tolist()],
            "labels": predictions.labels,
            "severity": predictions.severity,
            "part": predictions.part,
            "confidence": _or_nulls(predictions.confidence, len(positions)).to_pylist(),
            "margin": _or_nulls(predictions.margin, len(positions)).to_pylist(),
            "closest": _closest_array(predictions.closest, len(positions)).to_pylist(),
            "decision": list(predictions.decision),
        }
        for name in names:
            values = np.full(len(vectors), None, dtype=object)
            filling = np.empty(len(positions), dtype=object)
            filling[:] = columns[name]
            values[positions] = filling
            table[name] = values
    return table


def vectors_of(column: "pa.Array") -> "NDArray[np.float32]":
    """A list<float> column as float32 (rows, dimension), without a copy where it holds float32.

    Raises:
        ModelError: a row is null, holds a null, or has another length than the first.
    """
    if column.null_count:
        raise ModelError(f"{column.null_count} of {len(column)} vectors are null; take rows with status ok.")
    values = column.flatten()
    lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    if values.null_count:
        raise ModelError("Some vectors hold null values; embed the photos again.")
    dimension = int(lengths[0]) if len(lengths) else 0
    if (lengths != dimension).any():
        raise ModelError(
            f"The column holds vectors of lengths {sorted({int(length) for length in lengths})}; "
            "take those of one model_key."
        )
    flat = values.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    shaped: NDArray[np.float32] = flat.reshape(len(column), dimension)
    return shaped


def _result_fields() -> "list[pa.Field[Any]]":
    import pyarrow as pa

    return [
        pa.field("scores", pa.map_(pa.string(), pa.float32())),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("severity", pa.string()),
        pa.field("part", pa.string()),
        pa.field("confidence", pa.float32()),
        pa.field("margin", pa.float32()),
        pa.field("closest", _closest_type()),
        pa.field("decision", pa.string()),
    ]


def _closest_type() -> "pa.StructType":
    import pyarrow as pa

    return pa.struct([("facet", pa.string()), ("name", pa.string()), ("other", pa.string())])


def _closest_array(calls: "Sequence[ClosestCall] | None", rows: int) -> "pa.Array[Any]":
    import pyarrow as pa

    if calls is None:
        return pa.nulls(rows, _closest_type())
    position = {call: number for number, call in enumerate(set(calls))}
    known = pa.array([call._asdict() for call in position], _closest_type())
    return known.take(pa.array([position[call] for call in calls], pa.int32()))


def _or_nulls(values: "NDArray[np.float32] | None", rows: int) -> "pa.Array[Any]":
    import pyarrow as pa

    return pa.nulls(rows, pa.float32()) if values is None else pa.array(values)


def _result_arrays(predictions: Predictions) -> "list[pa.Array[Any]]":
    import pyarrow as pa

    rows, width = predictions.scores.shape
    offsets = pa.array(np.arange(0, rows * width + 1, width, dtype=np.int32))
    positions = pa.array(np.tile(np.arange(width, dtype=np.int32), rows))
    keys = pa.array(predictions.score_keys, pa.string()).take(positions)
    scores = pa.MapArray.from_arrays(offsets, keys, pa.array(predictions.scores.reshape(-1)))
    return [
        scores,
        pa.array(predictions.labels, pa.list_(pa.string())),
        pa.array(predictions.severity, pa.string()),
        pa.array(predictions.part, pa.string()),
        _or_nulls(predictions.confidence, rows),
        _or_nulls(predictions.margin, rows),
        _closest_array(predictions.closest, rows),
        pa.array(predictions.decision, pa.string()),
    ]
