"""The index follows the tables: adds, changes, deletes; it is proved, repaired and rebuilt."""

import dataclasses
import io
import shutil

import pytest
from PIL import Image
from pyspark.sql import functions as F

from jobs.index.protocol import CLAIMS, VECTORS
from jobs.index.stores.lance import LanceStore
from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.writes import delete_keys, upsert
from jobs.sync_index import sync
from udfs.errors import IndexMismatchError

MODEL, HEAD, DIMENSION = "model-a", "head-a", 4


def photo_id(number):
    return f"{number:064x}"


def jpeg(number):
    target = io.BytesIO()
    Image.new("RGB", (600, 400), (number % 256, 90, 140)).save(target, "JPEG")
    return target.getvalue()


def filled(spark, table, rows):
    """Rows of a contract from dictionaries; the columns not named are null or the contract's ordinary values."""
    ordinary = {"status": "ok", "run_id": "run", "record_hash": "hash", "scores": {}, "taxonomy": "vehicle"}
    stamps = {"ingested_at", "first_seen", "embedded_at", "predicted_at", "assessed_at"}
    columns = CONTRACTS[table].columns
    records = [tuple(row.get(column.name, ordinary.get(column.name)) for column in columns) for row in rows]
    frame = spark.createDataFrame(records, CONTRACTS[table].schema)
    for name in stamps & {column.name for column in columns}:
        frame = frame.withColumn(name, F.current_timestamp())
    return frame


class Tables:
    """A lakehouse in a test's directory, with the few rows that an index needs."""

    def __init__(self, context):
        self.context, self.spark, self.lakehouse = context, context.spark, context.lakehouse

    def add_photos(self, numbers, claim="C-1"):
        photos = [{"photo_id": photo_id(number), "jpeg": jpeg(number)} for number in numbers]
        vectors = [
            {
                "entity": "photo",
                "entity_id": photo_id(number),
                "model_key": MODEL,
                "vector": [1.0, 0.0, 0.0, 0.0],
                "dimension": DIMENSION,
                "norm": 1.0,
            }
            for number in numbers
        ]
        self.append("photos", photos)
        self.append("embeddings", vectors)
        links = [{"claim_id": claim, "photo_id": photo_id(number)} for number in numbers]
        self.append("claim_photos", links)

    def append(self, table, rows):
        self.lakehouse.ensure(table)
        filled(self.spark, table, rows).write.format("delta").mode("append").save(self.lakehouse.path(table))

    def predict(self, numbers, severity):
        rows = [
            {
                "photo_id": photo_id(number),
                "model_key": MODEL,
                "head_key": HEAD,
                "labels": ["dent"],
                "severity": severity,
                "confidence": 0.9,
                "margin": 0.5,
                "decision": "accepted",
            }
            for number in numbers
        ]
        upsert(
            self.lakehouse, filled(self.spark, "damage_predictions", rows), "damage_predictions", compare=("severity",)
        )

    def claims(self, **severities):
        rows = [
            {"claim_id": claim.replace("_", "-"), "reported_severity": value} for claim, value in severities.items()
        ]
        upsert(self.lakehouse, filled(self.spark, "claims", rows), "claims", compare=("reported_severity",))

    def delete_photo(self, number):
        for table in ("photos", "claim_photos"):
            keys = self.spark.createDataFrame([(photo_id(number),)], "photo_id string")
            delete_keys(self.lakehouse, keys, table)


@pytest.fixture
def tables(spark, settings):
    context = JobContext.create(settings)
    made = Tables(context)
    made.add_photos([1, 2, 3])
    made.claims(C_1="Minor Damage", C_2="Total Loss")
    made.predict([1, 2], "minor")
    return made


def synced(tables):
    context = tables.context.next_job()
    return sync(context, MODEL, DIMENSION).as_dict()


def index_of(tables):
    return LanceStore.open(tables.context.settings.index.root, MODEL)


def rows_of(tables, table):
    return [row for batch in index_of(tables).scan(table) for row in batch.to_pylist()]


def did(report):
    return {name: report[name] for name in ("status", "mode", "added", "changed", "deleted")}


def test_the_index_follows_adds_changes_and_deletes(tables):
    waiting = sync(dataclasses.replace(tables.context, dry_run=True), MODEL, DIMENSION)
    assert (waiting.status, waiting.counts.rows_in, waiting.details["mode"]) == ("dry_run", 7, "rebuilt")
    first = synced(tables)
    assert did(first) == {"status": "done", "mode": "rebuilt", "added": 7, "changed": 0, "deleted": 0}
    assert first["reason"] == "first sync"
    found = {row["entity_id"]: row for row in rows_of(tables, VECTORS)}
    assert found[photo_id(1)]["severity"] == "minor"
    assert found[photo_id(3)]["labels"] is None
    with Image.open(io.BytesIO(found[photo_id(1)]["thumbnail"])) as small:
        assert small.size == (256, 171)
    claims = {(row["claim_id"], row["photo_id"]): row["reported_severity"] for row in rows_of(tables, CLAIMS)}
    assert claims[("C-1", photo_id(2))] == "Minor Damage"
    assert claims[("C-2", "")] == "Total Loss"

    again = synced(tables)
    assert again["status"] == "nothing_to_do"
    assert again["checksum"] == first["checksum"]

    tables.add_photos([4], claim="C-2")  # the claim's row without a photo goes, the row with this one comes
    tables.predict([1], "moderate")
    tables.predict([1], "severe")  # two changes of one row are one change
    tables.delete_photo(3)
    second = synced(tables)
    assert did(second) == {"status": "done", "mode": "incremental", "added": 2, "changed": 1, "deleted": 3}
    assert second["counts"]["in"] == second["counts"]["written"] + second["counts"]["skipped"]
    found = {row["entity_id"]: row for row in rows_of(tables, VECTORS)}
    assert sorted(found) == [photo_id(1), photo_id(2), photo_id(4)]
    assert found[photo_id(1)]["severity"] == "severe"
    assert {(row["claim_id"], row["photo_id"]) for row in rows_of(tables, CLAIMS)} == {
        ("C-1", photo_id(1)),
        ("C-1", photo_id(2)),
        ("C-2", photo_id(4)),
    }

    # A crash after the index was written and before its state was: the same window is followed once more.
    index_of(tables).mark("a run that crashed")
    tables.claims(C_1="Major Damage")
    third = synced(tables)
    assert did(third) == {"status": "done", "mode": "incremental", "added": 0, "changed": 2, "deleted": 0}


def test_a_tampered_index_is_found_and_rebuilt_at_the_start_or_by_the_next_run(tables):
    first = synced(tables)
    index_of(tables)._table(VECTORS).delete(f"entity_id = '{photo_id(2)}'")
    repaired = synced(tables)
    assert repaired["mode"] == "rebuilt"
    assert "it holds 6 rows" in repaired["reason"]
    assert repaired["checksum"] == first["checksum"]

    index_of(tables)._table(VECTORS).delete(f"entity_id = '{photo_id(2)}'")
    index_of(tables).mark("a run that crashed")  # so that only the last check can find it
    tables.add_photos([5])
    before = tables.lakehouse.read("index_state").first()
    with pytest.raises(IndexMismatchError, match=r"holds 3 rows.*the tables say 4 rows"):
        synced(tables)
    assert tables.lakehouse.read("index_state").first() == before
    repaired = synced(tables)
    assert (repaired["mode"], repaired["rows"]) == ("rebuilt", 4)
    assert repaired["checksum"] != first["checksum"]


def test_a_table_that_was_made_anew_rebuilds_the_index(tables_created, tables):
    synced(tables)
    shutil.rmtree(tables.lakehouse.path("claims"))
    fresh = Tables(JobContext.create(tables.context.settings))
    fresh.claims(C_9="Trivial Damage")
    report = synced(fresh)
    assert report["mode"] == "rebuilt"
    assert report["reason"] == "made anew since the last sync: claims"
    claims = {row["claim_id"]: row["reported_severity"] for row in rows_of(fresh, CLAIMS)}
    assert claims == {"C-1": None, "C-9": "Trivial Damage"}
