"""Tables keep their promises: contracts, constraints, and writes that never write twice."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import Row
from pyspark.sql import functions as F

from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.leftovers import remove_leftovers
from jobs.lakehouse.tables import Lakehouse
from jobs.lakehouse.writes import append_new, append_once, delete_keys, stage, upsert
from jobs.settings.sections import TableSettings
from tests.spark.rows import filled
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


def vectors(spark, numbers):
    frame = spark.createDataFrame([(f"{number:064x}",) for number in numbers], "entity_id string")
    unit = {"vector": F.array(F.lit(1.0)), "dimension": F.lit(1), "norm": F.lit(1.0), "status": F.lit("ok")}
    keys = {"entity": F.lit("photo"), "model_key": F.lit("m"), "embedded_at": F.current_timestamp()}
    return filled(frame, "embeddings", **unit, **keys)


def test_two_runs_at_once_do_not_write_a_row_twice(lakehouse, spark, tmp_path):
    lakehouse.ensure("embeddings")
    errors, inserted = [], []

    def write(numbers):
        try:
            other = Lakehouse(spark, TableSettings(root=str(tmp_path / "lakehouse")))
            with stage(other, vectors(spark, numbers), f"run {numbers.start}") as wave:
                fixed = {"entity": "photo", "model_key": "m"}
                since = ("embedded_at", datetime.now(UTC))
                inserted.append(append_once(other, wave.frame, "embeddings", fixed=fixed, since=since))
        except Exception as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(range(start, start + 50),)) for start in (0, 10, 20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert errors == []
    assert sum(inserted) == 70
    rows = lakehouse.read("embeddings").select("entity_id").collect()
    assert len(rows) == len({row["entity_id"] for row in rows}) == 70


def test_a_driver_killed_between_staging_and_commit_costs_nothing_but_the_wave(lakehouse, spark):
    stage(lakehouse, vectors(spark, range(5)), "killed")  # and no commit, and no discard
    assert lakehouse.read("embeddings").count() == 0
    with stage(lakehouse, vectors(spark, range(5)), "next") as wave:
        assert append_once(lakehouse, wave.frame, "embeddings", fixed={"model_key": "m"}) == 5
        assert append_once(lakehouse, wave.frame, "embeddings", fixed={"model_key": "m"}) == 0


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


def test_a_column_that_a_customer_added_is_left_alone_by_every_write(lakehouse, spark, tmp_path):
    append_once(lakehouse, photo_rows(spark, [1, 2]), "photos")
    name = lakehouse.name("photos")
    spark.sql(f"ALTER TABLE {name} ADD COLUMN note STRING").collect()
    spark.sql(f"UPDATE {name} SET note = 'theirs'").collect()
    fresh = Lakehouse(spark, TableSettings(root=str(tmp_path / "lakehouse")))
    since = fresh.version("photos")
    assert append_once(fresh, photo_rows(spark, [2, 3]), "photos") == 1
    changed = photo_rows(spark, [1, 4]).withColumn("width", F.lit(99))
    assert upsert(fresh, changed, "photos", compare=("width",)) == (1, 1)
    append_new(fresh, photo_rows(spark, [5]), "photos")
    assert delete_keys(fresh, photo_rows(spark, [2]).select("photo_id"), "photos") == 1
    kept = {
        (row["photo_id"][-1], row["note"]) for row in spark.read.format("delta").load(fresh.path("photos")).collect()
    }
    assert kept == {("1", "theirs"), ("3", None), ("4", None), ("5", None)}
    assert fresh.read("photos").columns == list(CONTRACTS["photos"].names)
    assert {row["_change_type"] for row in fresh.changes("photos", since).collect()} >= {"insert", "delete"}


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


def test_reading_creates_and_migrates_nothing(lakehouse, spark, tmp_path):
    assert lakehouse.read("photos").count() == 0
    assert not (tmp_path / "lakehouse").exists()
    with pytest.raises(TableContractError, match="no table photos"):
        lakehouse.version("photos")


def test_only_staging_of_runs_that_are_over_is_removed_and_never_a_checkpoint(spark, tmp_path):
    settings = TableSettings(root=str(tmp_path / "lakehouse"), staging=str(tmp_path / "staging"))
    lakehouse = Lakehouse(spark, settings)
    run = {"run_id": "finished", "job": "embed", "status": "done", "report": "{}"}
    numbers = dict.fromkeys(("rows_in", "written", "skipped", "failed"), 0) | dict.fromkeys(
        ("seconds", "photos_per_second"), 0.0
    )
    row = Row(**run, **numbers, finished_at=datetime.now(UTC))
    append_new(lakehouse, spark.createDataFrame([row]), "job_runs")
    checkpoint = Path(lakehouse.checkpoints) / "source_files"
    checkpoint.mkdir(parents=True)
    waves = {name: stage(lakehouse, spark.range(3), name) for name in ("finished", "killed")}
    assert remove_leftovers(lakehouse, now=datetime.now(UTC) + timedelta(hours=23), hours=24) == 1
    assert waves["killed"].frame.count() == 3
    assert remove_leftovers(lakehouse, now=datetime.now(UTC) + timedelta(hours=25), hours=24) == 1
    assert list(Path(lakehouse.staging).iterdir()) == []
    assert checkpoint.is_dir()


def test_staging_counts_as_it_writes_also_where_there_is_nothing_to_write(lakehouse, spark):
    for empty in (photo_rows(spark, [1]).where("status = 'failed'"), photo_rows(spark, [1]).limit(0)):
        with stage(lakehouse, empty, "run") as wave:
            assert (wave.rows, dict(wave.by_code), wave.frame.count()) == (0, {}, 0)


def test_a_check_that_has_grown_is_renewed_once_by_who_writes(lakehouse, spark, tmp_path):
    lakehouse.ensure("photos")
    name = lakehouse.name("photos")
    spark.sql(f"ALTER TABLE {name} DROP CONSTRAINT code_known")
    spark.sql(f"ALTER TABLE {name} ADD CONSTRAINT code_known CHECK (error_code IS NULL OR error_code = 'empty')")
    renewed, again = (Lakehouse(spark, TableSettings(root=str(tmp_path / "lakehouse"))) for _ in range(2))
    assert append_once(renewed, photo_rows(spark, [1], "failed", "corrupt"), "photos") == 1
    version = renewed.version("photos")
    again.ensure("photos")
    assert again.version("photos") == version
