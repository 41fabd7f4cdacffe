"""The index follows the tables: adds, changes, deletes; it is reckoned, proved, repaired and rebuilt."""

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import functions as F

from jobs.index.filters import parse_filter
from jobs.index.opening import open_reader
from jobs.index.rows import SOURCES
from jobs.index.state import read_state, write_state
from jobs.index.stores.lance import writer as lance_writer
from jobs.index.stores.lance.dataset import index_location, opened
from jobs.job.context import JobContext
from jobs.job.execution import execute
from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.writes import delete_keys, upsert
from jobs.steps.sync_index.sync import sync
from jobs.steps.verify.verify import verify
from udfs.errors import IndexDamagedError, IndexMismatchError, InputError

MODEL, HEAD, DIMENSION = "model-a", "head-a", 4


def photo_id(number):
    return f"{number:064x}"


def vector(number):
    angle = number / 10
    return [float(np.cos(angle)), float(np.sin(angle)), 0.0, 0.0]


def filled(spark, table, rows):
    """Rows of a contract from dictionaries; the columns not named are null or the contract's ordinary values."""
    ordinary = {
        "status": "ok",
        "run_id": "run",
        "record_hash": "hash",
        "scores": {},
        "taxonomy": "vehicle",
        "photos": 1,
    }
    ordinary |= {"photos_classified": 1, "damages": [], "review_reasons": [], "agreement": "agrees", "review": False}
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
        self.append("photos", [{"photo_id": photo_id(number), "jpeg": b"jpeg"} for number in numbers])
        self.embed("photo", {photo_id(number): vector(number) for number in numbers})
        self.append("claim_photos", [{"claim_id": claim, "photo_id": photo_id(number)} for number in numbers])

    def embed(self, entity, vectors):
        rows = [
            {"entity": entity, "entity_id": entity_id, "model_key": MODEL, "vector": held, "dimension": 4, "norm": 1.0}
            for entity_id, held in vectors.items()
        ]
        self.append("embeddings", rows)

    def append(self, table, rows):
        self.lakehouse.ensure(table)
        filled(self.spark, table, rows).write.format("delta").mode("append").save(self.lakehouse.path(table))

    def predict(self, numbers, severity, head=HEAD):
        rows = [
            {"photo_id": photo_id(number), "model_key": MODEL, "head_key": head, "labels": ["dent"]}
            | {"severity": severity, "confidence": 0.9, "margin": 0.5, "decision": "accepted"}
            for number in numbers
        ]
        frame = filled(self.spark, "damage_predictions", rows)
        upsert(self.lakehouse, frame, "damage_predictions", compare=("severity",))

    def claims(self, **severities):
        rows = [
            {"claim_id": claim.replace("_", "-"), "reported_severity": value} for claim, value in severities.items()
        ]
        upsert(self.lakehouse, filled(self.spark, "claims", rows), "claims", compare=("reported_severity",))

    def delete(self, table, column, value):
        delete_keys(self.lakehouse, self.spark.createDataFrame([(value,)], f"{column} string"), table)


@pytest.fixture
def tables(spark, settings):
    made = Tables(JobContext.create(settings))
    made.lakehouse.ensure("passages", "claim_passages", "claim_assessments")
    made.add_photos([1, 2, 3])
    made.claims(C_1="Minor Damage", C_2="Total Loss")
    made.predict([1, 2], "minor")
    return made


def synced(tables, head=HEAD):
    return sync(tables.context.next_job(), MODEL, DIMENSION, head).as_dict()


def reader_of(tables):
    return open_reader(tables.context.settings.index, MODEL)


def held(tables):
    """Photos of the index by number."""
    found = reader_of(tables).nearest(np.eye(1, 4, dtype=np.float32), 1000, with_vectors=True)
    return {int(row.entity_id, 16): row for row in found}


def dataset_of(tables):
    return opened(index_location(tables.context.settings.index.root, MODEL))


def did(report):
    return tuple(report[name] for name in ("status", "mode", "added", "changed", "deleted"))


def proved(tables):
    return verify(tables.context.next_job(), MODEL, DIMENSION).as_dict()["checksum"]


def on_disk(folder, needle):
    return any(needle.encode() in path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())


def tree(folder):
    return sorted(str(path) for path in Path(folder).rglob("*"))


def test_the_index_follows_adds_changes_and_deletes(tables, tmp_path):
    before = tree(tmp_path)
    waiting = sync(dataclasses.replace(tables.context, dry_run=True), MODEL, DIMENSION, HEAD)
    assert (waiting.status, waiting.counts.rows_in, waiting.details["mode"]) == ("dry_run", 3, "rebuilt")
    assert tree(tmp_path) == before
    first = synced(tables)
    assert did(first) == ("done", "rebuilt", 3, 0, 0)
    assert (first["reason"], first["proved"]) == ("first sync", True)
    photos = held(tables)
    assert photos[1].columns["severity"] == "minor"
    assert photos[3].columns["labels"] is None
    assert photos[2].claims[0]["claim_id"] == "C-1"
    assert photos[2].claims[0]["reported_severity"] == "Minor Damage"
    assert photos[2].vector == pytest.approx(vector(2))

    again = synced(tables)
    assert (again["status"], again["checksum"]) == ("nothing_to_do", first["checksum"])

    tables.add_photos([4], claim="C-2")
    tables.append("claim_photos", [{"claim_id": "C-2", "photo_id": photo_id(1)}])
    tables.predict([1], "moderate")
    tables.predict([1], "severe")  # two changes of one row are one change
    tables.delete("photos", "photo_id", photo_id(3))
    second = synced(tables)
    assert did(second) == ("done", "incremental", 1, 1, 1)
    assert second["proved"] is False
    assert second["counts"]["in"] == second["counts"]["written"] + second["counts"]["skipped"]
    photos = held(tables)
    assert set(photos) == {1, 2, 4}
    assert photos[1].columns["severity"] == "severe"
    assert [claim["claim_id"] for claim in photos[1].claims] == ["C-1", "C-2"]
    assert proved(tables) == second["checksum"]
    loss = [parse_filter("reported_severity = total loss")]
    assert {int(row.entity_id, 16) for row in reader_of(tables).nearest(np.eye(1, 4), 9, loss)} == {1, 4}

    tables.claims(C_1="Major Damage")
    third = synced(tables)
    assert did(third) == ("done", "incremental", 0, 2, 0)
    assert proved(tables) == third["checksum"]


@pytest.mark.slow
def test_passages_are_rows_as_photos_are(tables):
    tables.append("passages", [{"passage_id": photo_id(7), "text": "Hail broke the windscreen"}])
    tables.append("claim_passages", [{"claim_id": "C-2", "passage_id": photo_id(7), "position": 0}])
    tables.embed("passage", {photo_id(7): vector(7)})
    assert did(synced(tables)) == ("done", "rebuilt", 4, 0, 0)
    found = reader_of(tables).lexical("windscreen", 5)
    assert [(row.entity, row.claims[0]["reported_severity"]) for row in found] == [("passage", "Total Loss")]
    tables.delete("passages", "passage_id", photo_id(7))
    assert did(synced(tables)) == ("done", "incremental", 0, 0, 1)
    assert not on_disk(tables.context.settings.index.root, "windscreen")


@pytest.mark.slow
def test_what_is_deleted_leaves_no_bytes_even_when_the_run_was_killed_before_the_purge(tables, monkeypatch):
    tables.delete("claims", "claim_id", "C-1")
    tables.claims(C_1="Minor Damage erased-claimant")
    synced(tables)
    root = tables.context.settings.index.root
    assert on_disk(root, "erased-claimant")
    assert on_disk(root, photo_id(2))
    for table in ("claims", "claim_photos"):
        tables.delete(table, "claim_id", "C-1")
    tables.delete("photos", "photo_id", photo_id(2))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(lance_writer.LanceWriter, "optimise", killed)
        with pytest.raises(KeyboardInterrupt):
            synced(tables)
    assert set(held(tables)) == {1, 3}
    report = synced(tables)
    assert (report["mode"], report["proved"]) == ("incremental", True)
    assert not on_disk(root, "erased-claimant")
    assert not on_disk(root, photo_id(2))
    assert not on_disk(root, "C-1")


@pytest.mark.slow
def test_a_new_classifier_relabels_and_rewrites_no_vector(tables, monkeypatch):
    first = synced(tables)
    monkeypatch.setattr(lance_writer, "SMALL_ROWS", 1)
    files = {path: path.read_bytes() for path in Path(dataset_of(tables).uri, "data").iterdir()}
    tables.predict([1, 3], "severe", head="head-b")
    report = synced(tables, head="head-b")
    assert did(report) == ("done", "incremental", 0, 3, 0)
    assert report["checksum"] != first["checksum"]
    assert {number: row.columns["severity"] for number, row in held(tables).items()} == {
        1: "severe",
        2: None,
        3: "severe",
    }
    assert proved(tables) == report["checksum"]
    named = {file.path for fragment in dataset_of(tables).get_fragments() for file in fragment.data_files()}
    for path, content in files.items():
        assert path.read_bytes() == content
        assert path.name in named
    back = synced(tables, head=HEAD)
    assert (did(back), back["checksum"]) == (("done", "incremental", 0, 3, 0), first["checksum"])


@pytest.mark.slow
def test_many_new_photos_are_written_by_the_executors(tables, monkeypatch):
    synced(tables)
    monkeypatch.setattr(lance_writer, "SMALL_ROWS", 2)
    tables.add_photos(range(10, 30), claim="C-2")
    report = synced(tables)
    assert did(report) == ("done", "incremental", 20, 0, 0)
    assert len(held(tables)) == 23
    assert proved(tables) == report["checksum"]


@pytest.mark.slow
def test_a_tampered_index_is_found_and_rebuilt_at_the_start_or_by_the_proof(tables):
    first = synced(tables)
    dataset_of(tables).delete(f"entity_id = '{photo_id(2)}'")
    repaired = synced(tables)
    assert repaired["mode"] == "rebuilt"
    assert "it holds 2 rows" in repaired["reason"]
    assert repaired["checksum"] == first["checksum"]

    # One number of one vector: neither row nor stored hash tells.
    row = dataset_of(tables).to_table(filter=f"entity_id = '{photo_id(1)}'").to_pylist()[0]
    row["vector"][0] += 0.01
    changed = dataset_of(tables)
    import pyarrow as pa

    table = pa.Table.from_pylist([row], schema=changed.schema)
    changed.merge_insert(["entity", "entity_id"]).when_matched_update_all().execute(table)
    with pytest.raises(IndexMismatchError, match="its contents are"):
        proved(tables)
    with pytest.raises(InputError, match="Run claimlens sync-index first"):
        proved(tables)
    repaired = synced(tables)
    assert repaired["mode"] == "rebuilt"
    assert proved(tables) == first["checksum"]


@pytest.mark.slow
def test_a_sync_that_crashed_is_followed_once_more_and_proved(tables):
    synced(tables)
    tables.claims(C_1="Major Damage")
    location = index_location(tables.context.settings.index.root, MODEL)
    state = read_state(tables.lakehouse, location)
    synced(tables)
    now = tables.context.clock()
    write_state(tables.lakehouse, location, dataclasses.replace(state, unfinished="a run that crashed"), now, "crashed")
    report = synced(tables)
    assert did(report) == ("done", "incremental", 0, 0, 0)
    assert report["proved"] is True


@pytest.mark.slow
def test_every_so_many_syncs_are_proved(tables):
    settings = tables.context.settings
    settings = settings.model_copy(update={"index": settings.index.model_copy(update={"verify_every": 2})})
    tables.context = dataclasses.replace(tables.context, settings=settings)
    assert synced(tables)["proved"]
    tables.predict([1], "moderate")
    assert not synced(tables)["proved"]
    assert synced(tables)["proved"]
    quiet = execute("sync-index", lambda inner: sync(inner, MODEL, DIMENSION, HEAD), tables.context.next_job())
    assert quiet.status == "nothing_to_do"
    assert synced(tables)["proved"], "one that finds nothing to do counts too"


@pytest.mark.slow
def test_a_table_that_was_made_anew_rebuilds_the_index(tables_created, tables):
    synced(tables)
    shutil.rmtree(tables.lakehouse.path("claims"))
    fresh = Tables(JobContext.create(tables.context.settings))
    fresh.claims(C_9="Trivial Damage")
    report = synced(fresh)
    assert report["mode"] == "rebuilt"
    assert report["reason"] == "made anew since the last sync: claims"
    assert [claim["reported_severity"] for claim in held(fresh)[1].claims] == [None]


@pytest.mark.slow
def test_a_change_feed_that_was_vacuumed_rebuilds_the_index_and_says_so(tables):
    synced(tables)
    tables.predict([1], "severe")
    tables.predict([1], "moderate")
    for file in Path(tables.lakehouse.path("damage_predictions"), "_change_data").glob("*.parquet"):
        file.unlink()
    report = synced(tables)
    assert report["mode"] == "rebuilt"
    assert "the change feed since the last sync cannot be read" in report["reason"]
    assert held(tables)[1].columns["severity"] == "moderate"


def test_tables_restored_to_an_earlier_version_leave_no_stale_row(tables):
    synced(tables)
    before = {number: row.columns for number, row in held(tables).items()}
    versions = tables.context.pin(*SOURCES).versions
    tables.add_photos([4], claim="C-2")
    tables.predict([1], "severe")
    tables.claims(C_1="Major Damage")
    tables.delete("photos", "photo_id", photo_id(3))
    assert set(held(tables)) == {1, 2, 3}
    synced(tables)
    assert set(held(tables)) == {1, 2, 4}
    for table, version in versions.items():
        tables.spark.sql(f"RESTORE TABLE {tables.lakehouse.name(table)} TO VERSION AS OF {version}").collect()
    report = synced(tables)
    assert {number: row.columns for number, row in held(tables).items()} == before
    assert proved(tables) == report["checksum"]


@pytest.mark.slow
def test_what_many_claims_no_longer_say_leaves_no_bytes(tables, monkeypatch):
    tables.claims(C_1="Minor Damage said-at-first")
    synced(tables)
    monkeypatch.setattr(lance_writer, "SMALL_ROWS", 1)
    tables.claims(C_1="Minor Damage")
    report = synced(tables)
    assert did(report) == ("done", "incremental", 0, 3, 0)
    assert not on_disk(tables.context.settings.index.root, "said-at-first")
    assert proved(tables) == report["checksum"]


@pytest.mark.slow
def test_a_log_that_was_cleaned_rebuilds_the_index_and_says_so(tables):
    name, log = tables.lakehouse.name("claims"), Path(tables.lakehouse.path("claims"), "_delta_log")
    tables.spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('delta.checkpointInterval' = '2')").collect()
    synced(tables)
    for severity in ("Major Damage", "Total Loss", "Trivial Damage"):
        tables.claims(C_1=severity)
    kept = max(int(file.name.partition(".")[0]) for file in log.glob("*.checkpoint*.parquet"))
    for file in log.iterdir():
        number = file.name.lstrip(".").partition(".")[0]
        if number.isdigit() and int(number) < kept:
            file.unlink()
    report = synced(tables)
    assert report["mode"] == "rebuilt"
    assert "the change feed since the last sync cannot be read: [DELTA_" in report["reason"]
    assert held(tables)[1].claims[0]["reported_severity"] == "Trivial Damage"


@pytest.mark.slow
def test_damage_is_found_by_sync_or_by_the_proof_and_mended_at_once(tables):
    first = synced(tables)
    files = sorted(Path(dataset_of(tables).uri, "data").iterdir())
    files[0].unlink()
    report = synced(tables)
    assert (report["mode"], report["checksum"]) == ("rebuilt", first["checksum"])
    assert re.search(r"is damaged: data/.*is missing", report["reason"])
    next(Path(dataset_of(tables).uri, "_versions").glob("*.manifest")).write_bytes(b"")
    assert "the index is damaged" in synced(tables)["reason"]

    for file in Path(dataset_of(tables).uri, "data").iterdir():
        file.write_bytes(file.read_bytes().replace(b"Minor Damage", b"Minor Damagf"))
    with pytest.raises((IndexDamagedError, IndexMismatchError), match="sync-index builds it anew"):
        proved(tables)
    assert synced(tables)["mode"] == "rebuilt"
    assert proved(tables) == first["checksum"]
