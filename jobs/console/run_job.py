"""One command from its options to its exit status: settings, the job, its report or its failure."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from jobs.console.failure import complain, tell_failure
from jobs.console.streams import print_json, standard_output_kept
from jobs.job.spec import Job

if TYPE_CHECKING:
    from jobs.job.report import Report


def run_job(
    job: Job,
    options: Mapping[str, Any],
    *,
    config: str | None = None,
    overrides: Sequence[str] = (),
    dry_run: bool = False,
    json_output: bool = False,
    debug: bool = False,
) -> int:
    """Load the settings, run the job, print its report, and return the exit status.

    Args:
        job: what to run.
        options: the job's own.
        config: place or YAML file; None takes the environment's, else local.
        overrides: `a.b=c` pairs.
        dry_run: say what would be done, change nothing.
        json_output: one JSON report on standard output instead of a summary.
        debug: print tracebacks of unexpected errors.
    """
    started = time.monotonic()
    try:
        with standard_output_kept():
            report = _carry_out(job, options, config, overrides, dry_run=dry_run)
    except KeyboardInterrupt:
        complain(job.name, "interrupted. Run it again: it goes on where it stopped.")
        return 130
    except Exception as error:
        seconds = time.monotonic() - started
        return tell_failure(job.name, error, seconds, json_output=json_output, debug=debug, dry_run=dry_run)
    if json_output:
        print_json(report.as_dict())
    else:
        _show(job, report)
    return 1 if report.status == "failed" else 0


def _carry_out(
    job: Job, options: Mapping[str, Any], config: str | None, overrides: Sequence[str], *, dry_run: bool
) -> "Report":
    from jobs.job.context import JobContext
    from jobs.job.execution import execute
    from jobs.job.progress import choose_progress
    from jobs.job.tracking import choose_tracker
    from jobs.settings.load import load_settings

    settings = load_settings(config, overrides)
    context = JobContext.create(
        settings,
        dry_run=dry_run,
        progress=choose_progress(),
        tracker=choose_tracker(settings, job.name, dry_run=dry_run),
    )
    return execute(job.name, partial(job.run, **options), context)


def _show(job: Job, report: "Report") -> None:
    from rich.console import Console

    from jobs.console.presentation import print_report

    (job.show or print_report)(report, Console())
