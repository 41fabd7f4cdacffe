"""Vectors of photos and passages, and the way to them from contract 1, which keyed narratives by claim."""

from typing import TYPE_CHECKING

from jobs.lakehouse.contracts.table import (
    CODE_CHECK,
    OUTCOME,
    RETRIES,
    STATUS_CHECK,
    Column,
    TableContract,
    adding,
)
from jobs.lakehouse.sql import literal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ENTITIES = ("photo", "passage")
ENTITY_CHECK = ("entity_known", "entity IN ('photo', 'passage')")


def narratives_to_passages(spark: "SparkSession", table: str) -> None:
    """Contract 1 to 2: a narrative's row becomes that of its passage, whose id its content_hash was; content_hash goes.

    Claims with the same narrative had a row each and share one from now on: one that succeeded, and of these the
    newest. Rows of photos are not rewritten: the column goes by name mapping. Each step finds out what is left to do,
    so that a killed migration is finished by the next one. Whoever follows the change feed has to begin anew, because
    Delta reads no feed across a column that went.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    # The new check comes when the table is verified: a contract's checks are renewed there.
    spark.sql(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {ENTITY_CHECK[0]}").collect()
    rows = spark.table(table)
    if "content_hash" in rows.columns:
        same = Window.partitionBy("content_hash", "model_key")
        best = same.orderBy(F.col("status") != "ok", F.col("embedded_at").desc(), "entity", "entity_id")
        texts = rows.where("entity <> 'photo'").withColumn("place", F.row_number().over(best))
        key = ("entity", "entity_id", "model_key", "content_hash")
        spare = texts.where("place > 1").select(*key)
        joined = " AND ".join(f"target.{column} = source.{column}" for column in key)
        spark.sql(
            f"MERGE INTO {table} target USING {{spare}} source ON {joined} WHEN MATCHED THEN DELETE", spare=spare
        ).collect()
        spark.sql(
            f"UPDATE {table} SET entity = 'passage', entity_id = content_hash WHERE entity = 'narrative'"
        ).collect()
        spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')").collect()
        spark.sql(f"ALTER TABLE {table} DROP COLUMN content_hash").collect()
    for column in EMBEDDINGS.columns[:2]:
        spark.sql(f"ALTER TABLE {table} ALTER COLUMN {column.name} COMMENT {literal(column.comment)}").collect()


_TOKENS_CUT = Column("tokens_cut", "INT", "Tokens at a passage's end that the model did not read; null: not a passage")


EMBEDDINGS = TableContract(
    "embeddings",
    4,
    "Unit vectors of photos and passages, per model",
    (
        Column("entity", "STRING", "photo or passage", required=True),
        Column("entity_id", "STRING", "photo_id or passage_id", required=True, identifies="entity"),
        Column("model_key", "STRING", "Hash of everything that decides the vector", required=True),
        Column("vector", "ARRAY<FLOAT>", "Unit vector; null when failed"),
        Column("dimension", "INT", "Length of the vector; null when failed"),
        Column("norm", "DOUBLE", "Euclidean length as stored, 1 within rounding; null when failed"),
        *OUTCOME,
        Column("embedded_at", "TIMESTAMP", "When this row was written", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
        _TOKENS_CUT,
        *RETRIES,
    ),
    key=("entity", "entity_id", "model_key"),
    cluster_by=("model_key", "entity_id"),
    checks=(
        ENTITY_CHECK,
        STATUS_CHECK,
        CODE_CHECK,
        ("ok_has_unit_vector", "status <> 'ok' OR (size(vector) = dimension AND norm BETWEEN 0.999 AND 1.001)"),
        ("failed_has_no_vector", "status = 'ok' OR vector IS NULL"),
    ),
    migrations={1: narratives_to_passages, 2: adding(_TOKENS_CUT), 3: adding(*RETRIES)},
)
