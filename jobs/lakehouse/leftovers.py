"""What killed runs left in staging, and when it may go."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from jobs.lakehouse.contracts import JOB_RUNS
from jobs.lakehouse.places import directories, holds_only_directories, remove_directory
from jobs.lakehouse.tables import Lakehouse
from jobs.lakehouse.writes import STAGED


def remove_leftovers(lakehouse: Lakehouse, *, now: datetime, hours: float) -> int:
    """Remove the staging of runs that are over: job_runs has their report, or nothing in it was changed for `hours`.

    Only what lies below `lakehouse.staging` is looked at, a directory a run, and only what `stage` has written goes:
    tables.staging may be a place that others use too. Checkpoints of streams lie elsewhere.

    Returns:
        How many runs' directories went.
    """
    found = directories(lakehouse.staging)
    if not found:
        return 0
    finished = _finished(lakehouse, found)
    oldest = now - timedelta(hours=hours)
    over = [run for run, changed in found.items() if run in finished or (changed is not None and changed <= oldest)]
    ours = [run for run in over if holds_only_directories(f"{lakehouse.staging}/{run}", STAGED)]
    for run in ours:
        remove_directory(f"{lakehouse.staging}/{run}")
    return len(ours)


def _finished(lakehouse: Lakehouse, runs: Iterable[str]) -> set[str]:
    from pyspark.sql import functions as F

    reported = lakehouse.read(JOB_RUNS.name).where(F.col("run_id").isin(list(runs))).select("run_id")
    return {row["run_id"] for row in reported.collect()}
