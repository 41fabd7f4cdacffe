"""What a job said of itself when it last ran: its newest report in job_runs."""

import json
from typing import Any

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import JOB_RUNS


def last_report(context: JobContext, job: str, *statuses: str) -> dict[str, Any] | None:
    """The newest report of a job that ended in one of these statuses; None where job_runs has none, or has lost it."""
    from pyspark.sql import functions as F

    runs = context.lakehouse.read(JOB_RUNS.name).where((F.col("job") == job) & F.col("status").isin(*statuses))
    row = runs.orderBy(F.desc("finished_at")).select("report").first()
    return dict(json.loads(row["report"])) if row else None
