"""Columns and key of the rows of an index."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobs.lakehouse.contracts import CLAIM_ASSESSMENTS
from jobs.lakehouse.contracts import CLAIMS as CLAIMS_CONTRACT

if TYPE_CHECKING:
    import pyarrow as pa

ROW_HASH = "row_hash"

_NOT_INDEXED = {"raw", "record_hash", "ingested_at", "run_id", "claim_id", "updated_at", "given_at"}
_NOT_FROM_ASSESSMENT = {"claim_id", "model_key", "head_key", "reported_severity", "assessed_at", "run_id"}
CLAIM_COLUMNS = tuple(column for column in CLAIMS_CONTRACT.columns if column.name not in _NOT_INDEXED)
ASSESSMENT_COLUMNS = tuple(column for column in CLAIM_ASSESSMENTS.columns if column.name not in _NOT_FROM_ASSESSMENT)

CLAIM_FIELDS = tuple(column.name for column in (*CLAIM_COLUMNS, *ASSESSMENT_COLUMNS))
"""Columns of an index row that hold one value per claim, beside claim_ids."""
HEAD_COLUMNS = (
    "labels",
    "severity",
    "part",
    "confidence",
    "decision",
    *(column.name for column in ASSESSMENT_COLUMNS),
)
"""Columns that another classifier changes."""
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


def spark_columns(schema: "pa.Schema", names: "Iterable[str]") -> str:
    """Columns of an index as a Spark schema; vectors are lists there, for Spark knows none of a fixed length."""
    from pyspark.sql.pandas.types import from_arrow_type

    types = {name: from_arrow_type(schema.field(name).type, prefer_timestamp_ntz=True) for name in names}
    return ", ".join(f"`{name}` {kind.simpleString()}" for name, kind in types.items())


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
