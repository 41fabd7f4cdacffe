"""The door of spark-submit: a job's file run as a script parses the same options as the console command."""

import sys
from collections.abc import Sequence


def run_as_script(job: str, arguments: Sequence[str] | None = None) -> int:
    """Run one job with the options of its command; returns the exit status."""
    from jobs.runtime.command_line import run_command_line

    return run_command_line([job, *(sys.argv[1:] if arguments is None else arguments)])
