"""Run one job: time it, track it, record it, and let nothing of a failure get lost."""

import dataclasses
import time
from collections.abc import Callable
from contextlib import suppress

from jobs.job.context import JobContext
from jobs.job.report import Counts, Report
from udfs.errors import first_line


def execute(job: str, run: Callable[[JobContext], Report], context: JobContext) -> Report:
    """Run `run` inside a tracked run and write its report to job_runs.

    A job that raises is tracked and recorded as failed, and the error goes on to the caller. A dry run
    leaves no trace.
    """
    started = time.monotonic()
    if context.dry_run:
        return dataclasses.replace(run(context), seconds=time.monotonic() - started)
    with context.tracker.run(job, context.run_id, context.settings):
        try:
            report = run(context)
        except Exception as error:
            context.progress.finish()
            failed = failed_report(job, context.run_id, error, time.monotonic() - started)
            context.tracker.log(failed)
            if context.started:
                with suppress(Exception):  # the job's own error is what the user must see
                    context.record(failed)
            raise
        report = dataclasses.replace(report, seconds=time.monotonic() - started)
        context.tracker.log(report)
        context.record(report)
    return report


def failed_report(job: str, run_id: str, error: BaseException, seconds: float = 0.0) -> Report:
    """The report of a job that raised."""
    details = {"error": {"type": type(error).__name__, "message": first_line(error)}}
    return Report(job, run_id, "failed", Counts(), seconds=seconds, details=details)
