"""What a job tells about itself; the command line is made from this, and nothing heavy is imported for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.job.report import Report


@dataclass(frozen=True)
class Job:
    """One command. `run(context, **options)` gives its report; the options beside the shared ones are the keyword-only
    parameters of `run`, annotated for typer. `show` prints the report where the usual summary does not suit it.
    `place` is the one whose settings hold where no --config is given; None: the environment's, else local."""

    name: str
    line: str
    run: "Callable[..., Report]"
    show: "Callable[[Report, Console], None] | None" = None
    place: str | None = None
