"""Writing a Lance index: small changes by the driver, large ones by the executors, each commit atomic."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.index.protocol import Applied, Fingerprint
from jobs.index.schemas import CLAIM_COLUMNS, HASHES, KEY, ROW_HASH, index_schema, spark_columns
from jobs.index.stores.lance import housekeeping, segments
from jobs.index.stores.lance.damage import missing_or_cut, tells_damage
from jobs.index.stores.lance.dataset import check, dataset_uri, index_location, marked, opened
from jobs.index.stores.lance.filter_sql import among, every, literal
from jobs.lakehouse.places import remove_directory
from udfs.errors import IndexDamagedError
from udfs.functions.index_damage import is_damage, said
from udfs.functions.index_fragments import (
    MODULUS,
    RELABELLED_SCHEMA,
    WRITTEN_SCHEMA,
    checksum_of,
    fitted,
    read_batches,
    relabel_table,
    write_batches,
)

if TYPE_CHECKING:
    from lance import LanceDataset
    from pyspark.sql import Column, DataFrame, SparkSession

SMALL_ROWS = 8192
"""Up to so many rows the driver writes: some 30 MB of vectors, and no task has to be started for them."""
KEYS_ASKED = 1024
TOLD = ("text", "claim_ids", *(column.name for column in CLAIM_COLUMNS))
"""Columns that hold what people told, and no model's view of it: what goes from them is to leave the files."""


class LanceWriter:
    """An IndexWriter of one Lance dataset."""

    def __init__(self, root: str, model_key: str, dimension: int) -> None:
        self.model_key = model_key
        self.dimension = dimension
        self.location = index_location(root, model_key)
        self._uri = dataset_uri(self.location)
        self._schema = marked(index_schema(dimension), model_key)
        with suppress(IndexDamagedError):  # the job that writes it mends it
            dataset = opened(self.location)
            if dataset is not None:
                check(dataset, self.location, model_key, dimension)

    def replace(self, rows: "DataFrame") -> Fingerprint:
        """See IndexWriter."""
        from lance import LanceDataset, LanceOperation

        try:
            housekeeping.owe_purge(opened(self.location))
        except IndexDamagedError:  # nobody can read it, and no version can be put on top of it
            remove_directory(self._uri)
        fragments, written = self._written(rows, append=False)
        operation = LanceOperation.Overwrite(self._schema, fragments)
        dataset = LanceDataset.commit(self._uri, operation)
        housekeeping.owe_purge(dataset)
        segments.build_scalar(dataset)
        if dataset.count_rows() >= segments.INDEXED_ROWS:
            segments.build_vectors(dataset, rows.sparkSession)
        return written

    @tells_damage
    def apply(self, upserts: "DataFrame", deleted_keys: "DataFrame") -> Applied:
        """See IndexWriter."""
        done = Applied()
        for portion in _portions(deleted_keys):
            done += self._delete(portion)
        if opened(self.location) is not None and upserts.count() > SMALL_ROWS:
            added, upserts = self._append_new(upserts)
            done += added
        for portion in _portions(upserts):
            done += self._merge(portion)
        return done

    @tells_damage
    def relabel(self, rows: "DataFrame") -> Applied:
        """See IndexWriter."""
        done = Applied()
        if opened(self.location) is not None and rows.count() > SMALL_ROWS:
            return self._relabel_many(rows)
        for portion in _portions(rows):
            done += self._merge_labels(portion)
        return done

    @tells_damage
    def fingerprint(self) -> Fingerprint:
        """See IndexWriter."""
        dataset = opened(self.location)
        total = Fingerprint(0, 0)
        if dataset is None:
            return total
        for batch in dataset.to_batches(columns=list(HASHES)):
            total += Fingerprint(batch.num_rows, checksum_of(batch, HASHES))
        return total

    def contents(self, spark: "SparkSession") -> "DataFrame":
        """See IndexWriter."""
        return self._read(spark, self._dataset(), tuple(self._schema.names)).drop("fragment", "row")

    @tells_damage
    def owe_purge(self) -> None:
        """See IndexWriter."""
        housekeeping.owe_purge(opened(self.location))

    @tells_damage
    def optimise(self, spark: "SparkSession") -> None:
        """See IndexWriter."""
        dataset = opened(self.location)
        if dataset is not None:
            housekeeping.optimise(dataset, spark)

    def version(self) -> str | None:
        """See IndexWriter."""
        with suppress(IndexDamagedError):
            dataset = opened(self.location)
            return None if dataset is None else str(dataset.version)
        return None

    def damage(self) -> str | None:
        """See IndexWriter."""
        try:
            dataset = opened(self.location)
            return None if dataset is None else missing_or_cut(dataset)
        except IndexDamagedError as error:
            return said(error.__cause__ or error)
        except BaseException as error:
            if not is_damage(error):
                raise
            return said(error)

    def _written(self, rows: "DataFrame", *, append: bool) -> tuple[list[Any], Fingerprint]:
        """The rows in data files that the executors wrote, not yet part of any version."""
        from lance.fragment import FragmentMetadata

        wrote = rows.mapInArrow(write_batches(self._uri, self._schema, HASHES, append=append), WRITTEN_SCHEMA)
        told = wrote.toArrow().to_pylist()
        fragments = [FragmentMetadata.from_json(row["fragment"]) for row in told]
        checksum = sum(int(row["checksum"]) for row in told) % MODULUS
        return fragments, Fingerprint(sum(row["rows"] for row in told), checksum)

    def _read(self, spark: "SparkSession", dataset: "LanceDataset", columns: tuple[str, ...]) -> "DataFrame":
        """Rows as they are in the dataset's version, read by the executors: columns, `fragment` and `row`."""
        numbers = [(fragment.fragment_id,) for fragment in dataset.get_fragments()]
        tasks = spark.createDataFrame(numbers, "fragment INT").repartition(max(1, len(numbers)), "fragment")
        schema = f"{spark_columns(self._schema, columns)}, fragment INT, row BIGINT"
        return tasks.mapInArrow(read_batches(self._uri, dataset.version, columns), schema)

    def _append_new(self, rows: "DataFrame") -> "tuple[Applied, DataFrame]":
        """Many rows: those that are new in files that the executors write; gives back the others."""
        from lance import LanceDataset, LanceOperation

        dataset = self._dataset()
        held = self._read(rows.sparkSession, dataset, KEY).select(*KEY)
        fragments, written = self._written(rows.join(held, list(KEY), "left_anti"), append=True)
        if fragments:
            LanceDataset.commit(self._uri, LanceOperation.Append(fragments), read_version=dataset.version)
        return Applied(added=written.rows, written=written), rows.join(held, list(KEY), "left_semi")

    def _relabel_many(self, rows: "DataFrame") -> Applied:
        """Many rows: the executors write new files of the label columns alone, and one commit puts them in place."""
        from lance import LanceDataset, LanceOperation
        from lance.fragment import FragmentMetadata
        from pyspark.sql import functions as F

        dataset = self._dataset()
        labels = tuple(name for name in rows.columns if name not in KEY)
        told = tuple(name for name in TOLD if name in labels)
        held = self._read(rows.sparkSession, dataset, (*KEY, *told, ROW_HASH))
        held = held.withColumnsRenamed({name: f"{name}_before" for name in told} | {ROW_HASH: "hash_before"})
        new = rows.join(held, list(KEY)).where(F.col(ROW_HASH) != F.col("hash_before"))
        done = Applied()
        if told:
            # What people told and no longer say stays in the old file: such rows are written whole, and purged.
            for portion in _portions(new.where(_told_before(told)).select(*KEY, *labels)):
                done += self._merge_labels(portion)
            if done.changed:
                return done + self._relabel_many(rows)
        sums = [F.sum(F.col(name).cast("decimal(38,0)")).alias(name) for name in ("hash_before", ROW_HASH)]
        before = new.agg(F.count(F.lit(1)).alias("rows"), *sums).toArrow().to_pylist()[0]
        if not before["rows"]:
            return done
        tasks = new.select("fragment", "row", *labels).groupBy("fragment")
        written = (
            tasks.applyInArrow(relabel_table(self._uri, dataset.version, labels), RELABELLED_SCHEMA)
            .toArrow()
            .to_pylist()
        )
        operation = LanceOperation.Update(
            updated_fragments=[FragmentMetadata.from_json(row["fragment"]) for row in written],
            fields_modified=sorted({field for row in written for field in row["fields"]}),
            update_mode="rewrite_columns",
        )
        LanceDataset.commit(self._uri, operation, read_version=dataset.version)
        changed = sum(row["rows"] for row in written)
        return done + Applied(
            changed=changed,
            removed=Fingerprint(changed, int(before["hash_before"]) % MODULUS),
            written=Fingerprint(changed, int(before[ROW_HASH]) % MODULUS),
        )

    def _dataset(self) -> "LanceDataset":
        dataset = opened(self.location)
        if dataset is None:
            from lance import LanceDataset, LanceOperation

            dataset = LanceDataset.commit(self._uri, LanceOperation.Overwrite(self._schema, []))
        return dataset

    def _merge(self, rows: pa.Table) -> Applied:
        rows = pa.Table.from_batches([fitted(batch, self._schema) for batch in rows.to_batches()], self._schema)
        held = self._held(rows, (*TOLD, *HASHES))
        return self._changed(rows, held)

    def _merge_labels(self, rows: pa.Table) -> Applied:
        """Rows without vectors: what is there keeps its own, and what is not there is told of."""
        held = self._held(rows, tuple(name for name in self._schema.names if name not in KEY))
        places = {key: place for place, key in enumerate(_keys(held))}
        keys = _keys(rows)
        missing = tuple(key for key in keys if key not in places)
        labels = rows.filter(pa.array([key in places for key in keys], pa.bool_()))
        old = held.take(pa.array([places[key] for key in keys if key in places], pa.int64()))
        for name in (name for name in self._schema.names if name not in rows.column_names):
            labels = labels.append_column(name, old[name])
        whole = [fitted(batch, self._schema) for batch in labels.combine_chunks().to_batches()]
        return self._changed(pa.Table.from_batches(whole, self._schema), held) + Applied(missing=missing)

    def _changed(self, rows: pa.Table, held: pa.Table) -> Applied:
        before = {key: place for place, key in enumerate(_keys(held))}
        old_hashes, new_hashes = _hashes(held), _hashes(rows)
        keys = _keys(rows)
        differs = [
            key not in before or old_hashes[before[key]] != new for key, new in zip(keys, new_hashes, strict=True)
        ]
        changed = rows.filter(pa.array(differs, pa.bool_()))
        if not changed.num_rows:
            return Applied(unchanged=rows.num_rows)
        replaced = held.take(pa.array([before[key] for key in _keys(changed) if key in before], pa.int64()))
        dataset = self._dataset()
        if _told_no_longer(replaced, changed):
            housekeeping.owe_purge(dataset)
        merge = dataset.merge_insert(list(KEY)).when_matched_update_all().when_not_matched_insert_all()
        merge.execute(changed)
        return Applied(
            added=changed.num_rows - replaced.num_rows,
            changed=replaced.num_rows,
            unchanged=rows.num_rows - changed.num_rows,
            removed=_fingerprint(replaced),
            written=_fingerprint(changed),
        )

    def _delete(self, keys: pa.Table) -> Applied:
        held = self._held(keys, HASHES)
        if not held.num_rows:
            return Applied()
        dataset = self._dataset()
        housekeeping.owe_purge(dataset)
        for start in range(0, held.num_rows, KEYS_ASKED):
            dataset.delete(_condition(held.slice(start, KEYS_ASKED)))
        return Applied(deleted=held.num_rows, removed=_fingerprint(held))

    def _held(self, keys: pa.Table, columns: Sequence[str]) -> pa.Table:
        """The rows of these keys that the index holds: keys and the named columns."""
        dataset = opened(self.location)
        schema = pa.schema([self._schema.field(name) for name in (*KEY, *columns)])
        if dataset is None:
            return schema.empty_table()
        found = [
            dataset.to_table(columns=schema.names, filter=_condition(keys.slice(start, KEYS_ASKED)))
            for start in range(0, keys.num_rows, KEYS_ASKED)
        ]
        return pa.concat_tables([schema.empty_table(), *(table.cast(schema) for table in found)]).combine_chunks()


def _portions(frame: "DataFrame") -> Iterator[pa.Table]:
    """The frame's rows in tables that the driver can hold."""
    rows = frame.toArrow()
    for start in range(0, rows.num_rows, SMALL_ROWS):
        yield rows.slice(start, SMALL_ROWS)


def _keys(rows: pa.Table) -> list[tuple[str, str]]:
    return list(zip(rows[KEY[0]].to_pylist(), rows[KEY[1]].to_pylist(), strict=True))


def _hashes(rows: pa.Table) -> list[tuple[int, ...]]:
    return list(zip(*(rows[name].to_pylist() for name in HASHES), strict=True))


def _fingerprint(rows: pa.Table) -> Fingerprint:
    return Fingerprint(rows.num_rows, checksum_of(rows, HASHES))


def _condition(keys: pa.Table) -> str:
    entities = pc.unique(keys[KEY[0]]).to_pylist()
    return " OR ".join(
        every([f"entity = {literal(entity)}", among("entity_id", _ids_of(keys, entity))]) for entity in entities
    )


def _ids_of(keys: pa.Table, entity: str) -> list[str]:
    ids: list[str] = keys.filter(pc.equal(keys[KEY[0]], entity))[KEY[1]].to_pylist()
    return ids


def _told_no_longer(before: pa.Table, after: pa.Table) -> bool:
    """Whether rows hold less of what people told than they did: that is to leave the files too."""
    now = {key: place for place, key in enumerate(_keys(after))}
    places = pa.array([now[key] for key in _keys(before)], pa.int64())
    for name in TOLD:
        for old, new in zip(before[name].to_pylist(), after[name].take(places).to_pylist(), strict=True):
            if old != new and _values(old) - _values(new):
                return True
    return False


def _values(held: object) -> set[str]:
    """A column's one value, or its one value a claim, as texts that can be compared."""
    values = held if isinstance(held, list) else [held]
    return {repr(value) for value in values if value is not None}


def _told_before(columns: Sequence[str]) -> "Column":
    """The same as a condition on a frame that has each column also as it was before."""
    from functools import reduce

    from pyspark.sql import functions as F

    def left(name: str) -> "Column":
        old, new = F.col(f"{name}_before"), F.col(name)
        if name == "text":
            return old.isNotNull() & ~old.eqNullSafe(new)
        return F.size(F.array_compact(F.array_except(old, F.coalesce(new, F.array())))) > 0

    return F.coalesce(reduce(lambda one, other: one | other, [left(name) for name in columns]), F.lit(False))
