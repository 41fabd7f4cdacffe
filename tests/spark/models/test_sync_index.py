"""The index follows the tables: adds, changes, deletes, another classifier; and lets nothing lie about."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from jobs.index.filters import parse_filter
from jobs.index.stores.lance import writer as lance_writer
from jobs.steps.sync_index.sync import sync
from tests.spark.index_tables import (
    DIMENSION,
    HEAD,
    MODEL,
    dataset_of,
    did,
    held,
    on_disk,
    photo_id,
    proved,
    reader_of,
    synced,
    tree,
    vector,
)


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
def test_what_many_claims_no_longer_say_leaves_no_bytes(tables, monkeypatch):
    tables.claims(C_1="Minor Damage said-at-first")
    synced(tables)
    monkeypatch.setattr(lance_writer, "SMALL_ROWS", 1)
    tables.claims(C_1="Minor Damage")
    report = synced(tables)
    assert did(report) == ("done", "incremental", 0, 3, 0)
    assert not on_disk(tables.context.settings.index.root, "said-at-first")
    assert proved(tables) == report["checksum"]
