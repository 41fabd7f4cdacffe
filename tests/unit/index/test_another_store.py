"""A second index store, added as another package would add it: the house is not touched."""

import pytest

from jobs.index.protocol import Applied, IndexWriter
from jobs.index.scanning import ScanningReader, total
from jobs.settings.sections import IndexSettings
from tests.unit.index.store_contract import StoreContract
from udfs.errors import InputError

INDEXES = {}


class MemoryIndex(ScanningReader, IndexWriter):
    def __init__(self):
        self.rows = {}

    def scan(self):
        return iter(self.rows.values())

    def replace(self, rows):
        self.rows = {}
        return self._put(by_key(rows)).written

    def apply(self, upserts, deleted_keys):
        gone = [self.rows.pop(key) for key in by_key(deleted_keys) if key in self.rows]
        return Applied(deleted=len(gone), removed=total(gone)) + self._put(by_key(upserts))

    def relabel(self, rows):
        there = {key: self.rows[key] | row for key, row in by_key(rows).items() if key in self.rows}
        return self._put(there) + Applied(missing=tuple(by_key(rows).keys() - there.keys()))

    def _put(self, rows):
        new = {key: row for key, row in rows.items() if key not in self.rows or total([self.rows[key]]) != total([row])}
        old = [self.rows[key] for key in new if key in self.rows]
        self.rows |= new
        return Applied(len(new) - len(old), len(old), 0, len(rows) - len(new), total(old), total(new.values()))


def by_key(frame):
    return {(row["entity"], row["entity_id"]): row for row in frame.toArrow().to_pylist()}


def open_reader(settings, model_key):
    if settings.root in INDEXES and INDEXES[settings.root].rows:
        return INDEXES[settings.root]
    raise InputError("There is no index yet. Run claimlens sync-index first.")


def open_writer(settings, model_key, dimension):
    return INDEXES.setdefault(settings.root, MemoryIndex())


class TestMemory(StoreContract):
    @pytest.fixture
    def settings(self, tmp_path, monkeypatch):
        (tmp_path / "memory-1.dist-info").mkdir()
        (tmp_path / "memory-1.dist-info/entry_points.txt").write_text(f"[claimlens.indexes]\nm = {__name__}\n")
        monkeypatch.syspath_prepend(tmp_path)
        return IndexSettings(kind="m", root=str(tmp_path))
