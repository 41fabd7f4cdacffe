"""How a failed command ends: one line on standard error, a report where JSON was asked for, a traceback in a file."""

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import typer

from jobs.console.streams import print_json
from jobs.job.printable import printable
from jobs.lakehouse.errors import in_words
from udfs.errors import ClaimlensError, first_line

LOGS = Path(".claimlens/logs")


def complain(job: str, message: str) -> None:
    """One line on standard error."""
    typer.echo(f"claimlens {job}: {printable(message)}", err=True)


def tell_failure(
    job: str, error: Exception, seconds: float, *, json_output: bool, debug: bool, dry_run: bool = False
) -> int:
    """Tell the user what went wrong, and return the exit status.

    Args:
        job: the command.
        error: what it raised; a JobFailedError brings its report, and the error itself as its cause.
        seconds: how long it had run.
        json_output: print the failed report on standard output too.
        debug: print the traceback of an unexpected error instead of keeping it in a file.
        dry_run: keep nothing in the place itself.
    """
    from jobs.job.execution import cause_of, failed_report

    cause = cause_of(error)
    if isinstance(cause, ClaimlensError):
        complain(job, first_line(cause))
        status = cause.exit_code
    else:
        if debug:
            sys.stderr.write(printable("".join(traceback.format_exception(cause))))
        where = "traceback above" if debug else f"traceback in {_keep_traceback(job, cause, dry_run=dry_run)}"
        complain(job, f"unexpected {type(cause).__name__}: {in_words(cause)}; {where}")
        status = 1
    if json_output:
        print_json(failed_report(job, "", error, seconds).as_dict())
    return status


def _keep_traceback(job: str, error: BaseException, *, dry_run: bool) -> Path:
    name = f"{job}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    text = printable("".join(traceback.format_exception(error)))
    elsewhere = Path(tempfile.gettempdir())
    for folder in (elsewhere,) if dry_run else (LOGS, elsewhere):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        except OSError:
            continue
        return folder / name
    sys.stderr.write(text)
    return Path("standard error")
