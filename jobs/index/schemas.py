"""Columns, keys and checksum of the two tables of an index."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobs.index.protocol import CLAIMS, MODULUS, VECTORS, Fingerprint
from jobs.lakehouse.contracts import CLAIM_ASSESSMENTS
from jobs.lakehouse.contracts import CLAIMS as CLAIMS_CONTRACT

if TYPE_CHECKING:
    import pyarrow as pa

ROW_HASH = "row_hash"
KEYS = {VECTORS: ("entity", "entity_id"), CLAIMS: ("claim_id", "photo_id")}

_NOT_INDEXED = {"raw", "record_hash", "ingested_at", "run_id", "claim_id"}
_NOT_FROM_ASSESSMENT = {"claim_id", "model_key", "head_key", "reported_severity", "assessed_at", "run_id"}
CLAIM_COLUMNS = tuple(column for column in CLAIMS_CONTRACT.columns if column.name not in _NOT_INDEXED)
ASSESSMENT_COLUMNS = tuple(column for column in CLAIM_ASSESSMENTS.columns if column.name not in _NOT_FROM_ASSESSMENT)

CLAIM_FIELDS = tuple(column.name for column in (*CLAIM_COLUMNS, *ASSESSMENT_COLUMNS))
"""Columns of an index row that hold one value per claim, beside claim_ids."""
KEY = ("entity", "entity_id")
VECTOR_HASH = "vector_hash"
HASHES = (ROW_HASH, VECTOR_HASH)
"""A row's two hashes: of every column but the vector, and of key and vector. A relabelling changes only the first."""


def index_schema(dimension: int) -> "pa.Schema":
    """One row per photo or passage: its unit vector, what the classifier saw, its text, and its claims as lists."""
    import pyarrow as pa

    arrow = _arrow_types()
    claims = [pa.field(column.name, pa.list_(arrow[column.type])) for column in (*CLAIM_COLUMNS, *ASSESSMENT_COLUMNS)]
    return pa.schema(
        [
            _key("entity", 1),
            _key("entity_id", 2),
            pa.field("vector", pa.list_(pa.float32(), dimension)),
            pa.field("labels", pa.list_(pa.string())),
            pa.field("severity", pa.string()),
            pa.field("part", pa.string()),
            pa.field("confidence", pa.float32()),
            pa.field("decision", pa.string()),
            pa.field("captured_at", pa.timestamp("us")),
            pa.field("text", pa.string()),
            pa.field("claim_ids", pa.list_(pa.string())),
            *claims,
            pa.field(ROW_HASH, pa.int64(), nullable=False),
            pa.field(VECTOR_HASH, pa.int64(), nullable=False),
        ]
    )


def vectors_schema(dimension: int) -> "pa.Schema":
    """One row per photo or narrative: its unit vector, a small JPEG, and what the classifier saw."""
    import pyarrow as pa

    return pa.schema(
        [
            _key("entity", 1),
            _key("entity_id", 2),
            pa.field("vector", pa.list_(pa.float32(), dimension)),
            pa.field("thumbnail", pa.binary()),
            pa.field("labels", pa.list_(pa.string())),
            pa.field("severity", pa.string()),
            pa.field("part", pa.string()),
            pa.field("confidence", pa.float32()),
            pa.field("decision", pa.string()),
            pa.field("captured_at", pa.timestamp("us")),
            pa.field(ROW_HASH, pa.int64(), nullable=False),
        ]
    )


def claims_schema() -> "pa.Schema":
    """One row per claim and photo (photo_id is empty where a claim has none), with claim and assessment columns."""
    import pyarrow as pa

    arrow = _arrow_types()
    columns = [pa.field(column.name, arrow[column.type]) for column in (*CLAIM_COLUMNS, *ASSESSMENT_COLUMNS)]
    return pa.schema(
        [_key("claim_id", 1), _key("photo_id", 2), *columns, pa.field(ROW_HASH, pa.int64(), nullable=False)]
    )


def schema_of(table: str, dimension: int) -> "pa.Schema":
    """The schema of an index table."""
    return vectors_schema(dimension) if table == VECTORS else claims_schema()


def fingerprint_of(hashes: "Iterable[pa.Array]") -> Fingerprint:
    """Rows and sum modulo 2^64 of 64-bit row hashes, in whatever order and portions they come."""
    import numpy as np

    rows, total = 0, 0
    for portion in hashes:
        values = portion.to_numpy(zero_copy_only=False).view(np.uint64)
        rows += len(values)
        total += int(np.add.reduce(values, dtype=np.uint64))
    return Fingerprint(rows, total % MODULUS)


def fitted(batch: "pa.RecordBatch", schema: "pa.Schema") -> "pa.RecordBatch":
    """The batch in the index's types; vectors of another length than the schema's raise ValueError."""
    import pyarrow as pa

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


def _arrow_types() -> "dict[str, pa.DataType]":
    import pyarrow as pa

    return {
        "STRING": pa.string(),
        "INT": pa.int32(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "DATE": pa.date32(),
        "TIMESTAMP_NTZ": pa.timestamp("us"),
        "ARRAY<STRING>": pa.list_(pa.string()),
    }


def _key(name: str, position: int) -> "pa.Field":
    # Lance refuses concurrent merges that insert the same key only when it knows the key: declared here, in the
    # schema, so that it is there from the table's first version on.
    import pyarrow as pa

    marks = {
        "lance-schema:unenforced-primary-key": "true",
        "lance-schema:unenforced-primary-key:position": str(position),
    }
    return pa.field(name, pa.string(), nullable=False, metadata=marks)
