"""Where a job is logged: nowhere, or in MLflow, which is imported only where it is wanted."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from jobs.job.report import Report

if TYPE_CHECKING:
    from jobs.settings.sections import Settings


class Tracker(Protocol):
    """Where jobs are logged."""

    def run(self, job: str, run_id: str, settings: "Settings") -> AbstractContextManager[None]:
        """Open a run for the job; inside another one it becomes its child."""
        ...

    def log(self, report: Report) -> None:
        """Log a report to the innermost open run."""
        ...

    def log_page(self, path: str | Path) -> None:
        """Keep a page, or any other file, with the innermost open run."""
        ...


class NoTracker:
    """Logs nothing: tracking.enabled is false, or a dry run."""

    @contextmanager
    def run(self, job: str, run_id: str, settings: "Settings") -> Iterator[None]:
        """Do nothing around the job."""
        del job, run_id, settings
        yield

    def log(self, report: Report) -> None:
        """Do nothing."""

    def log_page(self, path: str | Path) -> None:
        """Do nothing."""


def choose_tracker(settings: "Settings", job: str, *, dry_run: bool = False) -> Tracker:
    """MLflow, unless the settings or a dry run say that nothing is to be kept; for a search only where they ask."""
    from jobs.job.mlflow_runs import MlflowTracker

    kept = settings.tracking.enabled and (job != "search" or settings.tracking.searches)
    return MlflowTracker() if kept and not dry_run else NoTracker()
