"""What a run need not find out again: the last one of its job found nothing to do, in these very tables.

A run that wrote is never believed, because another may have written beside it: the next one compares once more, and
only what it found is remembered. Where job_runs has lost that report, a comparison is what it costs.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.job.last_report import last_report
from jobs.job.report import Counts, Report

if TYPE_CHECKING:
    from jobs.lakehouse.snapshot import Snapshot

TABLE_IDS = "table_ids"
"""Detail of a report: Delta's id of each table that was read, for the next run: one made anew has another."""
UNCOMPARED = "uncompared"
"""Detail of a report: how many runs in a row have relied on reports. Absent where all was compared."""
COMPARE_EVERY = 20
"""Every so many runs everything is compared, whatever the reports say: what nobody foresaw is found then."""
STATUS = "nothing_to_do"


def settled(context: JobContext, job: str, snapshot: "Snapshot", same: Mapping[str, Any]) -> Report | None:
    """The last report of `job`, as this run's own, if it says nothing_to_do of these tables and of `same`; else None.

    Args:
        context: whose job_runs is asked.
        job: the job's name.
        snapshot: the tables that are compared, at their versions.
        same: details that decide what there is to do, such as the model_key.
    """
    last = last_report(context, job, STATUS)
    if last is None or last["versions_in"] != dict(snapshot.versions):
        return None
    if any(last.get(name) != value for name, value in same.items()):
        return None
    if last.get(TABLE_IDS) != snapshot.table_ids:
        return None
    counts = last.pop("counts")
    uncompared = last.get(UNCOMPARED, 0) + 1
    if counts["failed"] or uncompared >= COMPARE_EVERY:
        return None
    known = ("job", "run_id", "status", "seconds", "photos_per_second", "versions_in", "versions_out")
    details = {name: value for name, value in last.items() if name not in known}
    return Report(
        job,
        context.run_id,
        STATUS,
        Counts(rows_in=counts["in"], skipped=counts["skipped"]),
        versions_in=snapshot.versions,
        versions_out=last["versions_out"],
        details=details | {UNCOMPARED: uncompared},
    )
