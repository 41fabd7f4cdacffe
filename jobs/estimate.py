"""Say what embedding all that is pending will take, from a timed sample: hours, GPU-hours, settings, cost."""

from typing import TYPE_CHECKING

from jobs.job.report import Report
from jobs.job.spec import Job

if TYPE_CHECKING:
    from jobs.job.context import JobContext


def run(context: "JobContext") -> Report:
    """Time a sample of what has no vector yet, and work out what all of it takes; changes no table but job_runs.

    Raises:
        ModelError: the model cannot be loaded.
    """
    from jobs.steps.estimate.run import estimate

    return estimate(context)


JOB = Job("estimate", "Say how long embed will take and what it will cost, from a timed sample.", run)
