"""An index that is not what its state says, or whose changes nobody can tell, is found, rebuilt and proved."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest

from jobs.index.rows import SOURCES
from jobs.index.state import read_state, write_state
from jobs.index.stores.lance.dataset import index_location
from jobs.job.context import JobContext
from jobs.job.execution import execute
from jobs.steps.sync_index.sync import sync
from tests.spark.index_tables import (
    DIMENSION,
    HEAD,
    MODEL,
    Tables,
    dataset_of,
    did,
    held,
    photo_id,
    proved,
    synced,
)
from udfs.errors import IndexDamagedError, IndexMismatchError, InputError


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


@pytest.mark.slow
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
