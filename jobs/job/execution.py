"""Run one job: time it, track it, record it, and let nothing of a failure get lost."""

import dataclasses
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress

from jobs.job.context import JobContext
from jobs.job.report import Counts, Report
from jobs.lakehouse.errors import in_words


class JobFailedError(Exception):
    """A job ended in an error: its report up to there; the error itself is the cause."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"{report.job}: {report.details['error']['message']}")
        self.report = report


def execute(job: str, run: Callable[[JobContext], Report], context: JobContext) -> Report:
    """Run `run` inside a tracked run and write its report to job_runs. A dry run leaves no trace.

    Raises:
        JobFailedError: the job raised; this is tracked and recorded.
    """
    started = time.monotonic()
    with nullcontext() if context.dry_run else context.tracker.run(job, context.run_id, context.settings):
        try:
            report = dataclasses.replace(run(context), seconds=time.monotonic() - started)
        except Exception as error:
            context.progress.finish()
            failed = failed_report(job, context.run_id, error, time.monotonic() - started)
            if not context.dry_run:
                context.tracker.log(failed)
                with suppress(Exception):  # the job's own error is what the user must see
                    context.record(failed)
            raise JobFailedError(failed) from cause_of(error)
        if not context.dry_run:
            context.tracker.log(report)
            context.record(report)
    return report


def cause_of(error: BaseException) -> BaseException:
    """The error that a job raised."""
    return error.__cause__ or error if isinstance(error, JobFailedError) else error


def failed_report(job: str, run_id: str, error: BaseException, seconds: float = 0.0) -> Report:
    """The report of a job that raised; what a failed part of it has reported is kept."""
    if isinstance(error, JobFailedError) and error.report.job == job:
        return dataclasses.replace(error.report, seconds=seconds)
    cause = cause_of(error)
    details = {"error": {"type": type(cause).__name__, "message": in_words(cause)}}
    return Report(job, run_id, "failed", Counts(), seconds=seconds, details=details)
