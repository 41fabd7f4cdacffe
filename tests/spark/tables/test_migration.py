"""Embeddings of contract 1 become those of contract 2, also where the migration is killed half-way."""

import pytest
from pyspark.sql import functions as F

from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.contracts.embeddings import narratives_to_passages
from jobs.lakehouse.tables import Lakehouse
from jobs.settings.sections import TableSettings
from tests.spark.rows import passage_id
from udfs.errors import TableContractError

pytestmark = pytest.mark.slow

CONTRACT_1 = """
CREATE TABLE IF NOT EXISTS {table} (
`entity` STRING NOT NULL COMMENT 'photo or narrative',
`entity_id` STRING NOT NULL COMMENT 'photo_id, or claim_id of the narrative',
`model_key` STRING NOT NULL COMMENT 'Hash of everything that decides the vector',
`content_hash` STRING NOT NULL COMMENT 'SHA-256 of what was embedded; a narrative\\'s changes with its text',
`vector` ARRAY<FLOAT> COMMENT 'Unit vector; null when failed',
`dimension` INT COMMENT 'Length of the vector; null when failed',
`norm` DOUBLE COMMENT 'Euclidean length as stored, 1 within rounding; null when failed',
`status` STRING NOT NULL COMMENT 'ok or failed',
`error_code` STRING COMMENT 'Why it failed: a code of the closed list; null when ok',
`error_detail` STRING COMMENT 'One line more about the failure',
`embedded_at` TIMESTAMP NOT NULL COMMENT 'When this row was written',
`run_id` STRING NOT NULL COMMENT 'The job run that wrote it')
USING DELTA COMMENT 'Unit vectors of photos and narratives, per model' CLUSTER BY (model_key, entity_id)
TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true', 'claimlens.contract' = '1',
'delta.constraints.entity_known' = 'entity IN (\\'photo\\', \\'narrative\\')',
'delta.constraints.status_known' = 'status IN (\\'ok\\', \\'failed\\')',
'delta.constraints.code_known' = '(status = \\'ok\\' AND error_code IS NULL) OR (status = \\'failed\\' AND error_code IN
(\\'empty\\', \\'not_an_image\\', \\'unsupported_format\\', \\'truncated\\', \\'corrupt\\', \\'too_many_bytes\\',
\\'too_many_pixels\\', \\'unreadable\\', \\'out_of_memory\\', \\'model_failed\\'))',
'delta.constraints.ok_has_unit_vector' =
'status <> \\'ok\\' OR (size(vector) = dimension AND norm BETWEEN 0.999 AND 1.001)',
'delta.constraints.failed_has_no_vector' = 'status = \\'ok\\' OR vector IS NULL')
"""
"""As the first release made it."""
PHOTO = "a" * 64


@pytest.fixture
def old(lakehouse):
    """A table of contract 1: a photo under two models, three claims with one narrative, one with another."""
    lakehouse.spark.sql(CONTRACT_1.format(table=lakehouse.name("embeddings"))).collect()
    lakehouse.spark.sql(f"ALTER TABLE {lakehouse.name('embeddings')} ADD COLUMN note STRING").collect()  # a customer's
    rows = [
        ("photo", PHOTO, "m1", PHOTO, "ok", 1),
        ("photo", PHOTO, "m2", PHOTO, "ok", 1),
        ("narrative", "c1", "m1", passage_id("glass"), "failed", 4),
        ("narrative", "c2", "m1", passage_id("glass"), "ok", 2),
        ("narrative", "c3", "m1", passage_id("glass"), "ok", 3),
        ("narrative", "c3", "m2", passage_id("glass"), "ok", 1),
        ("narrative", "c4", "m1", passage_id("a dent"), "ok", 1),
    ]
    frame = lakehouse.spark.createDataFrame(
        rows, "entity string, entity_id string, model_key string, content_hash string, status string, second int"
    )
    fine = F.col("status") == "ok"
    frame = frame.select(
        "entity",
        "entity_id",
        "model_key",
        "content_hash",
        F.when(fine, F.array(F.lit(1.0), F.lit(0.0))).cast("array<float>").alias("vector"),
        F.when(fine, 2).alias("dimension"),
        F.when(fine, 1.0).cast("double").alias("norm"),
        "status",
        F.when(~fine, "model_failed").alias("error_code"),
        F.lit(None).cast("string").alias("error_detail"),
        F.timestamp_seconds("second").alias("embedded_at"),
        F.lit("run").alias("run_id"),
    )
    for entity in ("photo", "narrative"):  # waves are of one entity
        written = frame.where(F.col("entity") == entity).coalesce(1)
        written.write.format("delta").mode("append").save(lakehouse.path("embeddings"))
    return lakehouse


def rows_of(lakehouse):
    rows = lakehouse.read("embeddings").collect()
    return sorted((row["entity"], row["entity_id"], row["model_key"], row["embedded_at"].second) for row in rows)


EXPECTED = sorted(
    [
        ("photo", PHOTO, "m1", 1),
        ("photo", PHOTO, "m2", 1),
        ("passage", passage_id("glass"), "m1", 3),
        ("passage", passage_id("glass"), "m2", 1),
        ("passage", passage_id("a dent"), "m1", 1),
    ]
)


def check(lakehouse):
    """The table holds the passages, and is of today's contract in everything that a reader or writer notices."""
    assert rows_of(lakehouse) == EXPECTED
    contract = CONTRACTS["embeddings"]
    detail = lakehouse.spark.sql(f"DESCRIBE DETAIL {lakehouse.name('embeddings')}").first()
    assert detail["properties"]["claimlens.contract"] == str(contract.version)
    assert tuple(detail["clusteringColumns"]) == contract.cluster_by
    held = {name: detail["properties"][f"delta.constraints.{name}"] for name, _ in contract.checks}
    # Delta keeps an added constraint token by token.
    assert held["entity_known"].replace(" ", "") == dict(contract.checks)["entity_known"].replace(" ", "")
    fields = {field.name: field for field in lakehouse.read("embeddings").schema.fields}
    assert list(fields) == [column.name for column in contract.columns]
    assert {name: field.metadata["comment"] for name, field in fields.items()} == {
        column.name: column.comment for column in contract.columns
    }
    assert {name for name, field in fields.items() if not field.nullable} == {
        column.name for column in contract.columns if column.required
    }


def photo_files(lakehouse):
    rows = lakehouse.spark.read.format("delta").load(lakehouse.path("embeddings")).where("entity = 'photo'")
    return {row["file"] for row in rows.select(F.col("_metadata.file_path").alias("file")).collect()}


def test_narratives_become_passages_and_the_rows_of_photos_are_not_rewritten(old):
    before = photo_files(old)
    with pytest.raises(TableContractError, match="that migrates it"):
        old.read("embeddings")
    assert photo_files(old) == before
    old.ensure("embeddings")
    check(old)
    assert photo_files(old) == before


@pytest.mark.parametrize("steps", [2, 3, 5, 6])
def test_a_killed_migration_is_finished_by_the_next_run(old, tmp_path, steps):
    class Killed(BaseException):
        pass

    class Dying:
        """A session that dies before its statement number `steps` changes the table."""

        def __init__(self, spark):
            self.spark, self.left = spark, steps

        def __getattr__(self, name):
            return getattr(self.spark, name)

        def sql(self, statement, **values):
            if not statement.startswith("DESCRIBE"):
                if not self.left:
                    raise Killed
                self.left -= 1
            return self.spark.sql(statement, **values)

    with pytest.raises(Killed):
        narratives_to_passages(Dying(old.spark), old.name("embeddings"))
    fresh = Lakehouse(old.spark, TableSettings(root=str(tmp_path / "lakehouse")))
    fresh.ensure("embeddings")
    check(fresh)
