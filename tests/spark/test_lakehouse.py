"""Tables keep their promises: contracts, constraints, and writes that never write twice."""

import threading

import pytest
from pyspark.sql import functions as F

from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.tables import Lakehouse
from jobs.lakehouse.writes import append_once, delete_keys, stage, upsert
from jobs.settings.sections import TableSettings
from udfs.errors import TableContractError


def photo_rows(spark, ids, status="ok", code=None):
    frame = spark.createDataFrame([(f"{number:064x}",) for number in ids], "photo_id string")
    values = {
        "jpeg": F.lit(b"jpeg") if status == "ok" else F.lit(None).cast("binary"),
        "status": F.lit(status),
        "error_code": F.lit(code).cast("string"),
        "ingested_at": F.current_timestamp(),
        "run_id": F.lit("run"),
    }
    for column in CONTRACTS["photos"].columns:
        if column.name != "photo_id":
            frame = frame.withColumn(column.name, values.get(column.name, F.lit(None)).cast(column.type))
    return frame


def test_every_table_is_created_with_comments_change_feed_and_checks(tables_created, lakehouse):
    lakehouse.ensure(*CONTRACTS)
    for name, contract in CONTRACTS.items():
        detail = lakehouse.spark.sql(f"DESCRIBE DETAIL {lakehouse.name(name)}").first()
        assert detail["properties"]["delta.enableChangeDataFeed"] == "true"
        assert detail["properties"]["claimlens.contract"] == str(contract.version)
        assert tuple(detail["clusteringColumns"]) == contract.cluster_by
        fields = lakehouse.read(name).schema.fields
        assert all(field.metadata["comment"] for field in fields)


def test_a_row_that_breaks_a_constraint_is_refused(lakehouse, spark):
    bad = photo_rows(spark, [1], status="failed", code="made_up")
    with pytest.raises(Exception, match="code_known"):
        append_once(lakehouse, bad, "photos")
    assert lakehouse.read("photos").count() == 0


def test_appending_twice_writes_once_and_counts_by_code(lakehouse, spark):
    rows = photo_rows(spark, [1, 2]).union(photo_rows(spark, [3], "failed", "corrupt"))
    with stage(lakehouse, rows, "run") as wave:
        assert (wave.rows, wave.failed, dict(wave.by_code)) == (3, 1, {"corrupt": 1})
        assert append_once(lakehouse, wave.frame, "photos") == 3
        assert append_once(lakehouse, wave.frame, "photos") == 0
    assert lakehouse.read("photos").count() == 3


def test_two_runs_at_once_do_not_write_a_row_twice(lakehouse, spark, tmp_path):
    lakehouse.ensure("photos")
    errors = []

    def write():
        try:
            other = Lakehouse(spark, TableSettings(root=str(tmp_path / "lakehouse")))
            append_once(other, photo_rows(spark, range(50)), "photos")
        except Exception as error:
            errors.append(error)

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert errors == []
    assert lakehouse.read("photos").count() == 50


def test_upsert_changes_only_what_differs(lakehouse, spark):
    rows = photo_rows(spark, [1, 2])
    assert upsert(lakehouse, rows, "photos", compare=("jpeg",)) == (2, 0)
    assert upsert(lakehouse, rows, "photos", compare=("jpeg",)) == (0, 0)
    changed = rows.withColumn("jpeg", F.when(F.col("photo_id").endswith("1"), F.lit(b"new")).otherwise(F.col("jpeg")))
    assert upsert(lakehouse, changed, "photos", compare=("jpeg",)) == (0, 1)
    assert delete_keys(lakehouse, rows.select("photo_id").limit(1), "photos") == 1


def test_the_change_feed_gives_what_came_after_a_version(lakehouse, spark):
    append_once(lakehouse, photo_rows(spark, [1]), "photos")
    version = lakehouse.version("photos")
    assert lakehouse.changes("photos", version) is None
    append_once(lakehouse, photo_rows(spark, [2]), "photos")
    changes = lakehouse.changes("photos", version)
    assert [row["_change_type"] for row in changes.collect()] == ["insert"]


def test_a_table_of_another_contract_is_refused_and_untouched(lakehouse, spark, tmp_path):
    lakehouse.ensure("photos")
    spark.sql(f"ALTER TABLE {lakehouse.name('photos')} SET TBLPROPERTIES ('claimlens.contract' = '99')")
    before = lakehouse.version("photos")
    fresh = Lakehouse(spark, TableSettings(root=str(tmp_path / "lakehouse")))
    with pytest.raises(TableContractError, match="contract 99"):
        fresh.ensure("photos")
    assert lakehouse.version("photos") == before


def test_a_foreign_table_is_refused_and_untouched(lakehouse, spark):
    spark.range(3).write.format("delta").save(lakehouse.path("photos"))
    with pytest.raises(TableContractError, match="not made by claimlens"):
        lakehouse.ensure("photos")
    assert spark.read.format("delta").load(lakehouse.path("photos")).count() == 3
