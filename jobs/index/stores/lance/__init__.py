"""The index in LanceDB, embedded: one directory per model_key, no server."""

import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lancedb.index import BTree, IvfSq
from lancedb.table import Table
from pyarrow import fs

from jobs.index.protocol import INDEX_TABLES, VECTORS, Fingerprint, Written
from jobs.index.schemas import KEYS, ROW_HASH, fingerprint_of, fitted, schema_of
from jobs.index.writer_lock import only_writer
from jobs.lakehouse.places import located
from udfs.errors import IndexMismatchError, InputError

FORMAT = 1
METADATA = "claimlens_index.json"
EXACT_ROWS = 50_000
"""Up to here every vector is compared; above, an IVF index finds candidates, which are then compared exactly.
IVF_SQ: one byte a number; on tight synthetic clusters IVF_PQ with its defaults found half of the true neighbours."""
DELETE_PORTION = 500
SCAN_ROWS = 8192


class LanceStore:
    """A VectorIndex in one directory: the Lance tables `vectors` and `claims`, and a small JSON about both."""

    def __init__(self, location: str, model_key: str, dimension: int) -> None:
        self.location = location
        self.model_key = model_key
        self.dimension = dimension
        self._connection = lancedb.connect(location)
        self._deleted_fragments: dict[str, set[int]] = {}

    @classmethod
    def open(cls, root: str, model_key: str) -> "LanceStore":
        """The index of a model, for reading.

        Raises:
            InputError: there is no index yet.
            IndexMismatchError: there is one, of another model_key.
        """
        location = index_location(root, model_key)
        metadata = _read_metadata(location)
        if metadata is None:
            others = indexes_under(root)
            if others:
                raise IndexMismatchError(
                    f"{located(root)} holds no index of model_key {model_key}, only of {', '.join(others)}: "
                    "another model, or the same in another dtype. Run claimlens sync-index with this model, or set "
                    "models.photo.name and models.photo.dtype to what made it."
                )
            raise InputError(f"There is no index at {location} yet. Run claimlens sync-index first.")
        _check(metadata, location, model_key, None)
        return cls(location, model_key, int(metadata["dimension"]))

    @classmethod
    def create(cls, root: str, model_key: str, dimension: int) -> "LanceStore":
        """The index of a model, made when it is not there.

        Raises:
            IndexMismatchError: the directory belongs to another model_key or dimension.
        """
        location = index_location(root, model_key)
        metadata = _read_metadata(location)
        if metadata is None:
            _write_metadata(location, {"format": FORMAT, "model_key": model_key, "dimension": dimension})
        else:
            _check(metadata, location, model_key, dimension)
        store = cls(location, model_key, dimension)
        for table in INDEX_TABLES:
            store._table(table, create=True)
        return store

    def writing(self, wait_seconds: float = 60.0) -> AbstractContextManager[None]:
        """Hold the index as its only writer."""
        return only_writer(self.location, wait_seconds)

    def mark(self, unfinished: str | None) -> None:
        """Write down that a sync began (its run id), or that the index is whole (None)."""
        _write_metadata(
            self.location,
            {"format": FORMAT, "model_key": self.model_key, "dimension": self.dimension, "unfinished": unfinished},
        )

    def unfinished(self) -> str | None:
        """Run id of the sync that began and did not end, or None."""
        return (_read_metadata(self.location) or {}).get("unfinished")

    def upsert(self, table: str, rows: pa.Table) -> Written:
        """Insert new keys and replace rows whose row_hash differs, in one commit."""
        if not rows.num_rows:
            return Written()
        schema = schema_of(table, self.dimension)
        batches = [fitted(batch, schema) for batch in rows.to_batches()]
        merge = self._table(table, create=True).merge_insert(list(KEYS[table]))
        merge = merge.when_matched_update_all(where=f"target.{ROW_HASH} <> source.{ROW_HASH}")
        result = merge.when_not_matched_insert_all().execute(pa.Table.from_batches(batches, schema))
        return Written(result.num_inserted_rows, result.num_updated_rows)

    def replace(self, table: str, batches: Iterable[pa.RecordBatch]) -> int:
        """Replace all rows in one commit, streaming."""
        schema = schema_of(table, self.dimension)
        reader = pa.RecordBatchReader.from_batches(schema, (fitted(batch, schema) for batch in batches))
        lance = self._table(table, create=True)
        lance.add(reader, mode="overwrite")
        return int(lance.count_rows())

    def delete(self, table: str, keys: pa.Table) -> int:
        """Delete by key."""
        lance = self._table(table, create=True)
        deleted = 0
        for start in range(0, keys.num_rows, DELETE_PORTION):
            where = keys_filter(table, keys.slice(start, DELETE_PORTION))
            found = lance.search().where(where).with_row_id(True).select([KEYS[table][1]]).limit(None).to_arrow()
            if found.num_rows:
                # Tables without stable row ids (these): a row's id is its address, the fragment in the upper half.
                fragments = pc.shift_right(found["_rowid"].cast(pa.uint64()), pa.scalar(32, pa.uint64()))
                self._deleted_fragments.setdefault(table, set()).update(pc.unique(fragments).to_pylist())
                deleted += int(lance.delete(where).num_deleted_rows)
        return deleted

    def count(self, table: str) -> int:
        """Number of rows."""
        return int(self._table(table).count_rows())

    def fingerprint(self, table: str) -> Fingerprint:
        """Rows and order-free checksum; reads eight bytes a row."""
        return fingerprint_of(batch.column(ROW_HASH) for batch in self.scan(table, columns=(ROW_HASH,)))

    def scan(
        self, table: str, *, where: str | None = None, columns: tuple[str, ...] = (), limit: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows that pass a SQL filter, in portions of at most 8,192."""
        query = self._table(table).search().limit(limit)
        if columns:
            query = query.select(list(columns))
        if where:
            query = query.where(where)
        yield from query.to_batches(SCAN_ROWS)

    def nearest(
        self, vector: np.ndarray, limit: int, *, where: str | None = None, columns: tuple[str, ...] = ()
    ) -> pa.Table:
        """The nearest rows that pass the filter, best first; `score` is the cosine, exact whatever the index."""
        lance = self._table(VECTORS)
        query = lance.search(np.asarray(vector, dtype=np.float32), vector_column_name="vector").metric("cosine")
        query = query.limit(limit).select([*columns, "_distance"])
        if where:
            query = query.where(where, prefilter=True)
        if lance.count_rows() <= EXACT_ROWS or (where and lance.count_rows(where) <= EXACT_ROWS):
            query = query.bypass_vector_index()
        else:
            query = query.nprobes(32).refine_factor(10)
        found = query.to_arrow()
        score = pc.subtract(pa.scalar(1.0, pa.float32()), found["_distance"])
        return found.drop_columns(["_distance"]).append_column("score", score)

    def optimise(self, *, purge: bool = False) -> None:
        """Compact, build the indexes that a large table needs, and drop old versions.

        With `purge`, fragments from which rows were deleted are rewritten without them and every older version is
        removed, so that erased photos leave no bytes behind.
        """
        for table in INDEX_TABLES:
            lance = self._table(table, create=True)
            if purge:
                self._rewrite_deleted(table, lance)
            if lance.count_rows() > EXACT_ROWS:
                self._index(table, lance)
            # A search opens the newest version and ends in seconds; an hour is ample for it.
            keep = timedelta(0) if purge else timedelta(hours=1)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=r"optimize\(cleanup_older_than=0\)")
                lance.optimize(cleanup_older_than=keep, delete_unverified=purge)

    def _rewrite_deleted(self, table: str, lance: Table) -> None:
        # A Lance delete only hides rows: the bytes stay in their file until every row of it is gone. Writing the rows
        # that remain in it anew empties the file, and the clean-up that follows removes it.
        for fragment in sorted(self._deleted_fragments.pop(table, set())):
            with suppress(OSError, ValueError):
                rest = lance.search().fragment_ids([fragment]).limit(None).to_arrow()
                if rest.num_rows:
                    merge = lance.merge_insert(list(KEYS[table])).when_matched_update_all()
                    merge.execute(rest.select(schema_of(table, self.dimension).names))

    def _index(self, table: str, lance: Table) -> None:
        present = {column for index in lance.list_indices() for column in index.columns}
        if table == VECTORS and "vector" not in present:
            lance.create_index("vector", config=IvfSq(distance_type="cosine"))
        for key in KEYS[table]:
            if key.endswith("_id") and key not in present:
                lance.create_index(key, config=BTree())

    def _table(self, table: str, *, create: bool = False) -> Table:
        # Opened anew each time, so that every operation sees the newest version.
        if create:
            return self._connection.create_table(
                table, schema=schema_of(table, self.dimension), mode="create", exist_ok=True
            )
        try:
            return self._connection.open_table(table)
        except (ValueError, FileNotFoundError):
            raise InputError(
                f"The index {self.location} has no table {table}. Run claimlens sync-index; it builds the index anew."
            ) from None


def index_location(root: str, model_key: str) -> str:
    """The directory of a model's index."""
    return f"{located(root).rstrip('/')}/{model_key}"


def indexes_under(root: str) -> list[str]:
    """Keys of the models that have an index under `root`."""
    system, inner = _file_system(located(root))
    listed = system.get_file_info(fs.FileSelector(inner, allow_not_found=True))
    return sorted(entry.base_name for entry in listed if _read_metadata(index_location(root, entry.base_name)))


def keys_filter(table: str, keys: pa.Table) -> str:
    """A SQL condition that holds for exactly these keys."""
    first, second = KEYS[table]
    grouped: dict[str, list[str]] = {}
    for outer, inner in zip(keys[first].to_pylist(), keys[second].to_pylist(), strict=True):
        grouped.setdefault(outer, []).append(inner)
    return " OR ".join(
        f"({first} = {quoted(outer)} AND {second} IN ({', '.join(quoted(value) for value in values)}))"
        for outer, values in grouped.items()
    )


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _file_system(location: str) -> tuple[fs.FileSystem, str]:
    if "://" in location:
        system, inner = fs.FileSystem.from_uri(location)
        return system, inner
    return fs.LocalFileSystem(), location


def _read_metadata(location: str) -> dict[str, Any] | None:
    system, inner = _file_system(location)
    path = f"{inner}/{METADATA}"
    if system.get_file_info(path).type != fs.FileType.File:
        return None
    with system.open_input_stream(path) as stream:
        values = json.loads(stream.read())
    return values if isinstance(values, dict) else None


def _write_metadata(location: str, values: dict[str, Any]) -> None:
    system, inner = _file_system(location)
    system.create_dir(inner, recursive=True)
    with system.open_output_stream(f"{inner}/{METADATA}.new") as stream:
        stream.write(json.dumps(values).encode())
    system.move(f"{inner}/{METADATA}.new", f"{inner}/{METADATA}")


def _check(metadata: dict[str, Any], location: str, model_key: str, dimension: int | None) -> None:
    mend = "Set index.root elsewhere, or remove that directory and run claimlens sync-index."
    if metadata.get("format") != FORMAT:
        raise IndexMismatchError(f"The index {location} has format {metadata.get('format')}, not {FORMAT}. {mend}")
    if metadata.get("model_key") != model_key:
        raise IndexMismatchError(
            f"The index {location} belongs to model_key {metadata.get('model_key')}, not {model_key}. {mend}"
        )
    if dimension is not None and metadata.get("dimension") != dimension:
        raise IndexMismatchError(
            f"The index {location} holds vectors of {metadata.get('dimension')} numbers, "
            f"the model gives {dimension}. {mend}"
        )
