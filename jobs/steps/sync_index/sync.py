"""One sync: what has to be done, under the lease, and what is remembered afterwards."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.index.lease import Lease, writing
from jobs.index.opening import open_writer
from jobs.index.proof import proved
from jobs.index.protocol import Applied, Fingerprint, IndexWriter
from jobs.index.rows import SOURCES, Pinned, changed_keys, embedded, index_rows, label_rows
from jobs.index.schemas import HEAD_COLUMNS, KEY, ROW_HASH
from jobs.index.state import DAMAGED, State, quiet_syncs, read_state, write_state
from jobs.job.report import Counts, Report
from jobs.lakehouse.contracts import INDEX_STATE
from jobs.lakehouse.writes import stage
from jobs.steps.sync_index.changes import changed, follow
from jobs.steps.sync_index.reasons import feed_is_unreadable, reason_to_rebuild, tables_replaced
from udfs.errors import IndexDamagedError, IndexMismatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.job.context import JobContext

WAIT_SECONDS = 60.0
ROWS_PER_TASK = 65_536
"""Rows that one task of a rebuild writes: one data file."""


@dataclass(frozen=True)
class Outcome:
    """What was done. `reason` says why all was built anew; None where the changes were followed."""

    applied: Applied
    held: Fingerprint
    reason: str | None = None
    proved: bool = False


def sync(context: "JobContext", model_key: str, dimension: int, head_key: str | None) -> Report:
    """Bring the index of a model in step with the tables, as the classifier `head_key` sees them.

    Raises:
        IndexMismatchError: what is at the index's place belongs to another model, or the index does not hold what the
            tables say although it was just built anew.
        ClaimlensError: another run writes the index.
    """
    lakehouse = context.lakehouse
    pinned = Pinned(lakehouse, context.pin(*SOURCES), model_key, head_key)
    writer = open_writer(context.settings.index, model_key, dimension)
    details: dict[str, Any] = {"index": writer.location, "model_key": model_key, "head_key": head_key}
    ids = lakehouse.table_ids(*pinned.versions)
    state = read_state(lakehouse, writer.location)
    if context.dry_run:
        return _dry_run(context, pinned, state, ids, details)
    if state is None and embedded(pinned).isEmpty():
        details["note"] = "there is no vector of this model yet; run claimlens embed"
        return _report(context, pinned, "nothing_to_do", Counts(), details)
    outcome = None
    if state is not None and _in_step(context, pinned, writer, state, ids):
        outcome = Outcome(Applied(unchanged=state.fingerprint.rows), state.fingerprint)
        status = "nothing_to_do"
    else:
        lakehouse.ensure(INDEX_STATE.name)
        with writing(lakehouse, writer.location, context.run_id, WAIT_SECONDS) as lease:
            newer = read_state(lakehouse, writer.location)
            if newer != state:  # whoever had the lease before has followed tables that may be newer than ours
                state, pinned = newer, dataclasses.replace(pinned, snapshot=context.pin(*SOURCES))
            outcome = _written(context, pinned, writer, lease, state=state, ids=ids)
        status = "done"
    done = outcome.applied
    written = done.added + done.changed + done.deleted
    details |= {
        "mode": "rebuilt" if outcome.reason else "incremental",
        "reason": outcome.reason,
        "added": done.added,
        "changed": done.changed,
        "deleted": done.deleted,
        "rows": outcome.held.rows,
        "checksum": f"{outcome.held.checksum:016x}",
        "proved": outcome.proved,
    }
    counts = Counts(written + done.unchanged, written=written, skipped=done.unchanged)
    return _report(context, pinned, status, counts, details)


def _in_step(context: "JobContext", pinned: Pinned, writer: IndexWriter, state: State, ids: dict[str, str]) -> bool:
    """Whether nothing has changed on either side and no proof is due; costs the same however large both are."""
    return (
        state.unfinished is None
        and state.versions == pinned.versions
        and state.table_ids == ids
        and state.head_key == pinned.head_key
        and state.index_version is not None
        and state.index_version == writer.version()
        and writer.damage() is None
        and not _proof_is_due(context, state, _syncs(context, writer, state))
    )


def _syncs(context: "JobContext", writer: IndexWriter, state: State) -> int:
    """How many syncs there were since the contents were proved, with this one."""
    every = context.settings.index.verify_every
    return state.syncs + 1 + (quiet_syncs(context.lakehouse, writer.location, state) if every and state.versions else 0)


def _proof_is_due(context: "JobContext", state: State, syncs: int) -> bool:
    every = context.settings.index.verify_every
    return state.unfinished is not None or bool(every and syncs >= every)


def _written(
    context: "JobContext",
    pinned: Pinned,
    writer: IndexWriter,
    lease: Lease,
    *,
    state: State | None,
    ids: dict[str, str],
) -> Outcome:
    reason = reason_to_rebuild(pinned, writer, state, ids)
    begun = State(pinned.model_key, {}, {}, None, Fingerprint(0, 0)) if state is None else state
    crashed = begun.unfinished is not None
    _remember(context, writer, dataclasses.replace(begun, unfinished=context.run_id))
    syncs = _syncs(context, writer, begun)
    due = _proof_is_due(context, begun, syncs)
    done, held = Applied(), begun.fingerprint
    if reason is None and state is not None:
        followed = _followed(context, pinned, writer, lease, state, crashed=crashed, prove=due)
        if isinstance(followed, str):
            reason = followed
        else:
            done, held = followed
    if reason is not None:
        lease.check()
        number = embedded(pinned).count()
        context.progress.start("index", number)
        held = writer.replace(index_rows(pinned).repartition(max(1, -(-number // ROWS_PER_TASK)), *KEY))
        context.progress.finish()
        done, due = Applied(added=held.rows, written=held), True
        writer.optimise(context.spark)
        try:
            held = proved(pinned, writer)
        except IndexMismatchError:
            _remember(context, writer, dataclasses.replace(begun, unfinished=DAMAGED))
            raise
    lease.check()
    state = State(
        pinned.model_key, pinned.versions, ids, pinned.head_key, held, writer.version(), syncs=0 if due else syncs
    )
    _remember(context, writer, state)
    return Outcome(done, held, reason, proved=due)


def _followed(
    context: "JobContext",
    pinned: Pinned,
    writer: IndexWriter,
    lease: Lease,
    state: State,
    *,
    crashed: bool,
    prove: bool,
) -> tuple[Applied, Fingerprint] | str:
    """What the change feeds brought, and what the index holds now; or why it has to be built anew."""
    try:
        changes = changed(context, pinned, state.versions)
    except Exception as error:
        return feed_is_unreadable(error)
    try:
        with changes:
            held = state.fingerprint
            if crashed:
                # Some of the changes are there already: what the index holds now is where the reckoning begins. And
                # what the run wrote before it could commit lies in files that no version names.
                held = writer.fingerprint()
                writer.owe_purge()
            done = follow(context, pinned, writer, lease, changes)
        if state.head_key != pinned.head_key:
            lease.check()
            # Staged, because the writer asks several things of these rows, and their joins are dear.
            with stage(context.lakehouse, _all_labels(pinned), context.run_id) as labels:
                done += writer.relabel(labels.frame)
        writer.optimise(context.spark)
        return done, proved(pinned, writer) if prove else held - done.removed + done.written
    except (IndexDamagedError, IndexMismatchError) as error:
        return str(error)


def _remember(context: "JobContext", writer: IndexWriter, state: State) -> None:
    write_state(context.lakehouse, writer.location, state, context.clock(), context.run_id)


def _all_labels(pinned: Pinned) -> "DataFrame":
    rows = label_rows(pinned).select(*KEY, *HEAD_COLUMNS, ROW_HASH)
    return rows.join(embedded(pinned).select(*KEY), list(KEY), "left_semi")


def _dry_run(
    context: "JobContext", pinned: Pinned, state: State | None, ids: dict[str, str], details: dict[str, Any]
) -> Report:
    """What a sync would look at; counts only, nothing is staged or written."""
    reason = "first sync" if state is None else tables_replaced(pinned, state, ids)
    waiting = 0
    if state is not None and reason is None:
        try:
            waiting = changed_keys(pinned, state.versions).count()
        except Exception as error:
            reason = feed_is_unreadable(error)
    if reason is not None:
        waiting = embedded(pinned).count()
    mode = "rebuilt" if reason else "incremental"
    return _report(context, pinned, "dry_run", Counts(rows_in=waiting), {**details, "mode": mode, "reason": reason})


def _report(context: "JobContext", pinned: Pinned, status: str, counts: Counts, details: dict[str, Any]) -> Report:
    versions_out = context.lakehouse.versions(INDEX_STATE.name) if status == "done" else {}
    report = Report(
        "sync-index", context.run_id, status, counts, versions_in=pinned.versions, versions_out=versions_out
    )
    return dataclasses.replace(report, details=details)
