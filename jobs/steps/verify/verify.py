"""The proof of an index against the tables as they were at its last sync."""

import dataclasses
from typing import TYPE_CHECKING

from jobs.index.opening import open_writer
from jobs.index.proof import proved
from jobs.index.protocol import index_damaged
from jobs.index.rows import Pinned
from jobs.index.state import DAMAGED, read_state, write_state
from jobs.job.report import Counts, Report
from jobs.lakehouse.errors import in_words
from jobs.lakehouse.snapshot import Snapshot
from udfs.errors import IndexDamagedError, IndexMismatchError, InputError

if TYPE_CHECKING:
    from jobs.job.context import JobContext


def verify(context: "JobContext", model_key: str, dimension: int) -> Report:
    """Prove the index of a model.

    Raises:
        InputError: the index was never brought in step, a sync has not come to its end, or the tables have lost their
            older versions since.
        IndexMismatchError: it does not hold what the tables say; the next sync builds it anew.
        IndexDamagedError: it cannot be read; the same.
    """
    lakehouse = context.lakehouse
    writer = open_writer(context.settings.index, model_key, dimension)
    state = read_state(lakehouse, writer.location)
    if state is None or not state.versions:
        raise InputError(f"The index {writer.location} was never brought in step. Run claimlens sync-index first.")
    if state.unfinished is not None:
        raise InputError(f"The last sync of {writer.location} did not come to its end. Run claimlens sync-index first.")
    pinned = Pinned(lakehouse, Snapshot(lakehouse, at=state.versions), model_key, state.head_key)
    try:
        damage = writer.damage()
        if damage is not None:
            raise index_damaged(writer.location, damage)
        held = proved(pinned, writer)
    except (IndexMismatchError, IndexDamagedError):
        if not context.dry_run:
            damaged = dataclasses.replace(state, unfinished=DAMAGED)
            write_state(lakehouse, writer.location, damaged, context.clock(), context.run_id)
        raise
    except Exception as error:
        if lakehouse.versions_there(*state.versions) == state.versions:
            raise
        raise InputError(
            "The tables cannot be read any more as they were when the index was last in step "
            f"({in_words(error)}). Run claimlens sync-index, and verify after it."
        ) from error
    report = Report("verify", context.run_id, "done", Counts(held.rows, skipped=held.rows), versions_in=state.versions)
    details = {"index": writer.location, "rows": held.rows, "checksum": f"{held.checksum:016x}"}
    return dataclasses.replace(report, details=details)
