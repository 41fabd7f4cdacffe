"""Standard output holds the report and nothing else."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

import typer

from jobs.job.printable import printable_json


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON value on one line of standard output."""
    typer.echo(printable_json(json.dumps(value, ensure_ascii=False, default=str)))


@contextmanager
def standard_output_kept() -> Iterator[None]:
    """Standard output is for the report: what Java, workers and libraries print goes to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
