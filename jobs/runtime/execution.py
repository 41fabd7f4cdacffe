"""Run one job: time it, track it, record it, and let nothing of a failure get lost."""

import dataclasses
import time
from collections.abc import Callable

from jobs.runtime.context import JobContext
from jobs.runtime.report import Counts, Report


def execute(job: str, run: Callable[[JobContext], Report], context: JobContext) -> Report:
    """Run `run` inside a tracked run and write its report to job_runs.

    A job that raises is tracked and recorded as failed, and the error goes on to the caller. A dry run leaves no trace.
    """
    started = time.monotonic()
    if context.dry_run:
        return dataclasses.replace(run(context), seconds=time.monotonic() - started)
    with context.tracker.run(job, context.run_id, context.settings):
        try:
            report = run(context)
        except Exception as error:
            failure = {"error": {"type": type(error).__name__, "message": str(error).split("\n")[0]}}
            failed = Report(job, context.run_id, "failed", Counts(), time.monotonic() - started, details=failure)
            context.tracker.log(failed)
            if context.started:
                context.record(failed)
            raise
        report = dataclasses.replace(report, seconds=time.monotonic() - started)
        context.tracker.log(report)
        context.record(report)
    return report
