"""Bring the vector index in step with the tables: adds, changes and deletes, proved by count and checksum."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.index.protocol import CLAIMS, VECTORS, Fingerprint, VectorIndex, Written
from jobs.index.rows import (
    SOURCES,
    Pinned,
    changed_claims,
    changed_entities,
    claim_rows,
    expected,
    newest_head,
    vector_rows,
    with_thumbnails,
)
from jobs.job.context import JobContext
from jobs.job.report import Counts, Report
from jobs.job.spec import Job
from jobs.lakehouse.contracts import INDEX_STATE
from jobs.lakehouse.writes import Wave, stage, upsert
from udfs.errors import IndexMismatchError, first_line

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

BATCH_ROWS = 4096
"""Rows per commit: at 512 numbers and a 10 kB thumbnail some 50 MB on the driver."""


@dataclass(frozen=True)
class State:
    """What index_state remembers: source versions and table ids, the classifier, and the index's fingerprint."""

    versions: Mapping[str, int]
    table_ids: Mapping[str, str]
    head_key: str | None
    fingerprint: Fingerprint


@dataclass(frozen=True)
class Outcome:
    """What a sync did. `rows_in` counts the rows and keys that were looked at."""

    rows_in: int = 0
    written: Written = field(default_factory=Written)
    deleted: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.rows_in + other.rows_in, self.written + other.written, self.deleted + other.deleted)


def run(context: JobContext) -> Report:
    """Follow the tables' change feeds into the index of the current model, or build it anew where they cannot say.

    The versions that the index has followed advance only after its count and checksum equal what the tables say.
    Running it again changes nothing.

    Raises:
        IndexMismatchError: the index holds something else than the tables say (the next run rebuilds it), or the
            directory belongs to another model.
        ModelError: the model's key cannot be determined.
    """
    return sync(context, context.model.model_key, context.model.dimension)


def sync(context: JobContext, model_key: str, dimension: int) -> Report:
    """`run` for a given model_key; see there."""
    from jobs.index.stores.lance import LanceStore, index_location

    lakehouse = context.lakehouse
    lakehouse.ensure(*SOURCES, INDEX_STATE.name)
    versions = lakehouse.versions(*SOURCES)
    location = index_location(context.settings.index.root, model_key)
    taxonomy = Path(context.settings.classify.taxonomy).stem
    head_key = newest_head(lakehouse, versions["damage_predictions"], model_key, taxonomy)
    pinned = Pinned(lakehouse, versions, model_key, head_key)
    details: dict[str, Any] = {"index": location, "model_key": model_key, "head_key": head_key}
    if context.dry_run:
        return _dry_run(context, pinned, location, details)
    state = _read_state(context, location)
    if state is None and not expected(vector_rows(pinned, full=False)).rows:
        details["note"] = "there is no vector of this model yet; run claimlens embed"
        report = Report("sync-index", context.run_id, "nothing_to_do", Counts(), versions_in=versions)
        return dataclasses.replace(report, details=details)
    index = LanceStore.create(context.settings.index.root, model_key, dimension)
    with index.writing():
        reason = _reason_to_rebuild(context, index, state, pinned)
        if reason is None and state is not None and index.unfinished() is None and dict(state.versions) == versions:
            done, status = Outcome(rows_in=state.fingerprint.rows), "nothing_to_do"
        else:
            status = "done"
            index.mark(context.run_id)
            changes = None if reason or state is None else _changes(context, pinned, state)
            if isinstance(changes, str):
                reason, changes = changes, None
            done = _rebuild(context, pinned, index) if changes is None else _follow(context, pinned, index, changes)
            index.optimise(purge=done.deleted > 0 or changes is None)
            held = _verified(index, pinned, context.run_id)
            index.mark(None)
            _write_state(context, location, pinned, held)
        rows, claims = index.count(VECTORS), index.count(CLAIMS)
        checksum = _held(index).checksum
    written = done.written.added + done.written.changed + done.deleted
    details |= {
        "mode": "rebuilt" if reason else "incremental",
        "reason": reason,
        "added": done.written.added,
        "changed": done.written.changed,
        "deleted": done.deleted,
        "rows": rows,
        "claim_rows": claims,
        "checksum": f"{checksum:016x}",
    }
    counts = Counts(done.rows_in, written=min(written, done.rows_in), skipped=max(done.rows_in - written, 0))
    versions_out = lakehouse.versions(INDEX_STATE.name)
    report = Report("sync-index", context.run_id, status, counts, versions_in=versions, versions_out=versions_out)
    return dataclasses.replace(report, details=details)


def _reason_to_rebuild(context: JobContext, index: VectorIndex, state: State | None, pinned: Pinned) -> str | None:
    """Why the index must be built anew, or None when the change feeds can say what it lacks."""
    if state is None:
        return "first sync"
    lakehouse = context.lakehouse
    recreated = [table for table in SOURCES if state.table_ids.get(table) != lakehouse.table_id(table)]
    if recreated:
        return f"made anew since the last sync: {', '.join(recreated)}"
    if state.head_key != pinned.head_key:
        return f"the classifier changed from {state.head_key} to {pinned.head_key}"
    unfinished = index.unfinished()
    if unfinished == DAMAGED:
        return "the last sync found that the index does not hold what the tables say"
    held = _held(index)
    if unfinished is None and held != state.fingerprint:
        return f"the index was changed from outside: it holds {held}, its state says {state.fingerprint}"
    return None


DAMAGED = "damaged"


@dataclass(frozen=True)
class _Changes:
    """The staged keys that the change feeds name."""

    entities: Wave
    claims: Wave


def _changes(context: JobContext, pinned: Pinned, state: State) -> "_Changes | str":
    """The changed keys, staged; or, where a change feed cannot be read any more, the reason."""
    from pyspark.errors import PySparkException

    try:
        entities = stage(context.lakehouse, changed_entities(pinned, state.versions), context.run_id)
        try:
            return _Changes(entities, stage(context.lakehouse, changed_claims(pinned, state.versions), context.run_id))
        except BaseException:
            entities.discard()
            raise
    except PySparkException as error:
        return f"the change feed since the last sync cannot be read: {first_line(error)[:200]}"


def _rebuild(context: JobContext, pinned: Pinned, index: VectorIndex) -> Outcome:
    """Write every row anew, one commit a table: searches meanwhile see the index as it was."""
    total = Outcome()
    for table, rows in ((VECTORS, with_thumbnails(vector_rows(pinned, full=True))), (CLAIMS, claim_rows(pinned))):
        with stage(context.lakehouse, rows, context.run_id) as wave:
            context.progress.start(f"index {table}", wave.rows)
            number = index.replace(table, _told(context, _batches(wave.path)))
            context.progress.finish()
        total += Outcome(number, Written(added=number))
    return total


def _follow(context: JobContext, pinned: Pinned, index: VectorIndex, changes: _Changes) -> Outcome:
    """Read the changed keys' rows at the pinned versions; upsert what is there, delete what is not."""
    with changes.entities as entities, changes.claims as claims:
        rows = with_thumbnails(vector_rows(pinned, full=True, keys=entities.frame))
        done = _apply(context, index, VECTORS, entities, rows)
        ids = claims.frame.select("claim_id").distinct()
        return done + _apply(context, index, CLAIMS, claims, claim_rows(pinned, claim_ids=ids))


def _apply(context: JobContext, index: VectorIndex, table: str, keys: Wave, rows: "DataFrame") -> Outcome:
    import pyarrow as pa

    from jobs.index.schemas import KEYS

    if not keys.rows:
        return Outcome()
    with stage(context.lakehouse, rows, context.run_id) as present:
        names = list(KEYS[table])
        gone = keys.frame.join(present.frame.select(*names), names, "left_anti")
        with stage(context.lakehouse, gone, context.run_id) as absent:
            context.progress.start(f"index {table}", present.rows + absent.rows)
            written, deleted = Written(), 0
            for batch in _told(context, _batches(present.path)):
                written += index.upsert(table, pa.Table.from_batches([batch]))
            for batch in _told(context, _batches(absent.path)):
                deleted += index.delete(table, pa.Table.from_batches([batch]))
            context.progress.finish()
            # Keys that neither the tables nor the index hold (a claim's row without photo, mostly) are no work.
            return Outcome(present.rows + deleted, written, deleted)


def _batches(path: str) -> "Iterator[pa.RecordBatch]":
    """The staged rows in portions that the driver can hold."""
    import pyarrow.dataset as ds

    staged = ds.dataset(path, format="parquet")
    for batch in staged.to_batches(batch_size=BATCH_ROWS, batch_readahead=1, fragment_readahead=1):
        if batch.num_rows:
            yield batch


def _told(context: JobContext, batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    for batch in batches:
        yield batch
        context.progress.advance(batch.num_rows)


def _held(index: VectorIndex) -> Fingerprint:
    return index.fingerprint(VECTORS) + index.fingerprint(CLAIMS)


def _verified(index: VectorIndex, pinned: Pinned, run_id: str) -> Fingerprint:
    """The whole index's fingerprint, once both tables are proved; marks the index for rebuilding otherwise."""
    wanted = {VECTORS: expected(vector_rows(pinned, full=False)), CLAIMS: expected(claim_rows(pinned))}
    for table, should in wanted.items():
        held = index.fingerprint(table)
        if held != should:
            index.mark(DAMAGED)
            raise IndexMismatchError(
                f"The index {index.location} holds {held} in {table}, the tables say {should} "
                f"(run {run_id}); its state was not advanced. Run claimlens sync-index again: it builds the index anew."
            )
    return wanted[VECTORS] + wanted[CLAIMS]


def _read_state(context: JobContext, location: str) -> State | None:
    from pyspark.sql import functions as F

    row = context.lakehouse.read(INDEX_STATE.name).where(F.col("index_name") == location).first()
    if row is None:
        return None
    sources = json.loads(row["sources"])
    tables = {table: sources[table] for table in SOURCES if table in sources}
    return State(
        {table: int(entry["version"]) for table, entry in tables.items()},
        {table: str(entry["id"]) for table, entry in tables.items()},
        sources.get("head_key"),
        Fingerprint(int(row["rows"]), int(row["checksum"], 16)),
    )


def _write_state(context: JobContext, location: str, pinned: Pinned, held: Fingerprint) -> None:
    from pyspark.sql import Row

    lakehouse = context.lakehouse
    sources: dict[str, Any] = {
        table: {"id": lakehouse.table_id(table), "version": version} for table, version in pinned.versions.items()
    }
    row = Row(
        index_name=location,
        model_key=pinned.model_key,
        sources=json.dumps({**sources, "head_key": pinned.head_key}),
        rows=held.rows,
        checksum=f"{held.checksum:016x}",
        synced_at=context.clock(),
        run_id=context.run_id,
    )
    frame = context.spark.createDataFrame([row], INDEX_STATE.schema)
    upsert(lakehouse, frame, INDEX_STATE.name, compare=("sources", "rows", "checksum"))


def _dry_run(context: JobContext, pinned: Pinned, location: str, details: dict[str, Any]) -> Report:
    """What a sync would look at; counts only, nothing is staged or written."""
    state = _read_state(context, location)
    if state is not None and state.table_ids == {table: context.lakehouse.table_id(table) for table in SOURCES}:
        mode = "incremental"
        waiting = changed_entities(pinned, state.versions).count() + changed_claims(pinned, state.versions).count()
    else:
        mode = "rebuilt"
        waiting = expected(vector_rows(pinned, full=False)).rows + expected(claim_rows(pinned)).rows
    report = Report("sync-index", context.run_id, "dry_run", Counts(rows_in=waiting), versions_in=pinned.versions)
    return dataclasses.replace(report, details={**details, "mode": mode})


JOB = Job("sync-index", "Bring the vector index in step with the tables.", run)
