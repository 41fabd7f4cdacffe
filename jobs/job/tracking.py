"""Every job as an MLflow run: what it was given, read and did. A broken store never loses a job."""

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from jobs.job.report import Report
from udfs.errors import first_line

if TYPE_CHECKING:
    from jobs.settings.sections import Settings, TableSettings, TrackingSettings

_SECRET = re.compile(r"(?i)secret|token|password|passwd|credential|account\.key|access.?key|api.?key")
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+@")
_MASK = "**********"
_LONGEST_PARAMETER = 500
_BATCH = 100


class Tracker(Protocol):
    """Where jobs are logged."""

    def run(self, job: str, run_id: str, settings: "Settings") -> AbstractContextManager[None]:
        """Open a run for the job; inside another one it becomes its child."""
        ...

    def log(self, report: Report) -> None:
        """Log a report to the innermost open run."""
        ...

    def log_artifact(self, path: str | Path) -> None:
        """Keep a file with the innermost open run."""
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

    def log_artifact(self, path: str | Path) -> None:
        """Do nothing."""


@dataclass
class _OpenRun:
    job: str
    job_run_id: str
    settings: "Settings"
    run_id: str | None = None
    outcome: str = "FINISHED"


class MlflowTracker:
    """Logs to MLflow through a client of its own, so that a notebook's active run is left alone.

    MLflow is imported when the first run opens: it takes seconds. The first failure is told once on standard
    error and switches tracking off for the rest of the process; the job goes on.
    """

    def __init__(self) -> None:
        self._client: Any = None
        self._experiment_id = ""
        self._open: list[_OpenRun] = []
        self._broken = False

    @contextmanager
    def run(self, job: str, run_id: str, settings: "Settings") -> Iterator[None]:
        """Open a run for the job; inside another one it becomes its child."""
        opened = _OpenRun(job, run_id, settings)
        parent = self._open[-1].run_id if self._open else None
        self._attempt(lambda: self._begin(opened, parent))
        self._open.append(opened)
        try:
            yield
        except KeyboardInterrupt:
            opened.outcome = "KILLED"
            raise
        except BaseException:
            opened.outcome = "FAILED"
            raise
        finally:
            self._open.pop()
            if opened.run_id is not None:
                self._attempt(lambda: self._client.set_terminated(opened.run_id, opened.outcome))

    def log(self, report: Report) -> None:
        """Log counts, rates, distributions, Delta versions, inputs and the report itself."""
        if not self._open:
            return
        opened = self._open[-1]
        if report.status == "failed":
            opened.outcome = "FAILED"
        if opened.run_id is not None:
            self._attempt(lambda: self._write(opened, report))

    def log_artifact(self, path: str | Path) -> None:
        """Keep a file with the innermost open run."""
        run_id = self._open[-1].run_id if self._open else None
        if run_id is not None:
            self._attempt(lambda: self._client.log_artifact(run_id, str(path)))

    def _attempt(self, action: Callable[[], object]) -> None:
        if self._broken:
            return
        try:
            action()
        except Exception as error:
            self._broken = True
            print(  # noqa: T201
                f"claimlens: MLflow tracking stopped ({first_line(error)}); the job goes on. "
                "Correct tracking.uri, or set tracking.enabled=false.",
                file=sys.stderr,
            )

    def _begin(self, opened: _OpenRun, parent: str | None) -> None:
        if self._client is None:
            self._client, self._experiment_id = _connect(opened.settings.tracking)
        tags = {"mlflow.source.name": "claimlens", "job": opened.job, "run_id": opened.job_run_id}
        commit = git_commit()
        if commit:
            tags["mlflow.source.git.commit"] = commit
        if parent:
            tags["mlflow.parentRunId"] = parent
        run = self._client.create_run(self._experiment_id, tags=tags, run_name=opened.job)
        opened.run_id = run.info.run_id
        self._log(run.info.run_id, parameters=settings_parameters(opened.settings))

    def _write(self, opened: _OpenRun, report: Report) -> None:
        run_id = str(opened.run_id)
        tags = {"status": report.status, **text_details(report)}
        parameters = {f"version_in/{table}": str(version) for table, version in report.versions_in.items()}
        parameters |= {f"version_out/{table}": str(version) for table, version in report.versions_out.items()}
        for key in ("model_key", "head_key"):
            if isinstance(report.details.get(key), str):
                parameters[key] = report.details[key]
        self._log(run_id, metrics=report_metrics(report), parameters=parameters, tags=tags)
        self._log_inputs(run_id, report.versions_in, opened.settings.tables)
        self._client.log_dict(run_id, json.loads(json.dumps(report.as_dict(), default=str)), "report.json")

    def _log(
        self,
        run_id: str,
        metrics: Mapping[str, float] | None = None,
        parameters: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        every_metric = [Metric(_name(key), value, now, 0) for key, value in (metrics or {}).items()]
        every_parameter = [Param(_name(key), value[:_LONGEST_PARAMETER]) for key, value in (parameters or {}).items()]
        every_tag = [RunTag(_name(key), value[:_LONGEST_PARAMETER]) for key, value in (tags or {}).items()]
        longest = max(len(every_metric), len(every_parameter), len(every_tag))
        for first in range(0, longest, _BATCH):
            part = slice(first, first + _BATCH)
            self._client.log_batch(
                run_id, metrics=every_metric[part], params=every_parameter[part], tags=every_tag[part]
            )

    def _log_inputs(self, run_id: str, versions: Mapping[str, int], tables: "TableSettings") -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(
                    name=table,
                    digest=str(version),
                    source_type="delta_table",
                    source=json.dumps({"path": table_address(tables, table), "delta_table_version": version}),
                ),
                [InputTag("mlflow.data.context", "input")],
            )
            for table, version in versions.items()
        ]
        if inputs:
            self._client.log_inputs(run_id, datasets=inputs)


def choose_tracker(settings: "Settings", job: str, *, dry_run: bool = False) -> Tracker:
    """MLflow, unless the settings or a dry run say that nothing is to be kept; for a search only where they ask."""
    kept = settings.tracking.enabled and (job != "search" or settings.tracking.searches)
    return MlflowTracker() if kept and not dry_run else NoTracker()


def tracking_address(tracking: "TrackingSettings") -> str:
    """Address of the store: tracking.uri, else a SQLite file under tracking.root."""
    return tracking.uri or f"sqlite:///{Path(tracking.root).expanduser().resolve() / 'mlflow.db'}"


def table_address(tables: "TableSettings", table: str) -> str:
    """Where a table is: catalog.schema.table, or its directory."""
    if tables.catalog:
        return f"{tables.catalog}.{tables.schema_name}.{table}"
    return f"{tables.root.rstrip('/')}/{table}"


def settings_parameters(settings: "Settings") -> dict[str, str]:
    """The settings as dotted keys and text, with every secret masked."""
    from jobs.settings.load import public_settings

    return dict(_flat_parameters(public_settings(settings), ()))


def report_metrics(report: Report) -> dict[str, float]:
    """Every number of a report: rows, codes, rates and the job's own, nested ones as name/inner."""
    counts = report.counts
    metrics: dict[str, float] = {
        "rows_in": counts.rows_in,
        "rows_written": counts.written,
        "rows_skipped": counts.skipped,
        "rows_failed": counts.failed,
        "seconds": report.seconds,
        "photos_per_second": report.photos_per_second,
    }
    metrics |= {f"failed/{code}": number for code, number in counts.by_code.items()}
    for key, value in _leaves(report.details, ()):
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            metrics.setdefault("/".join(key), float(value))
    return metrics


def text_details(report: Report) -> dict[str, str]:
    """The job's own short texts and flags, for tags."""
    leaves = _leaves(report.details, ())
    return {"/".join(key): str(value) for key, value in leaves if isinstance(value, str | bool) and value != ""}


def git_commit(folder: Path | None = None) -> str | None:
    """Commit of the checkout that this code runs from; None outside a checkout."""
    place = folder or Path(__file__).parent
    if not place.is_dir():  # imported from an archive
        return None
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=place, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None


def _connect(tracking: "TrackingSettings") -> tuple[Any, str]:
    # An unreachable server must not hold a job up for minutes, and nothing is reported to MLflow's makers.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import logging

    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    for chatty in ("alembic", "mlflow.store.db.utils", "mlflow.tracking"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    name, location = tracking.experiment, None
    if tracking.uri is None:
        root = Path(tracking.root).expanduser().resolve()
        root.mkdir(parents=True, exist_ok=True)
        location = (root / "artifacts").as_uri()
    elif tracking.uri.startswith("databricks") and not name.startswith("/"):
        name = f"/Shared/{name}"  # Databricks wants a workspace path
    client = MlflowClient(tracking_uri=tracking_address(tracking))
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return client, experiment.experiment_id
    try:
        return client, client.create_experiment(name, artifact_location=location)
    except MlflowException:
        experiment = client.get_experiment_by_name(name)  # another process made it just now
        if experiment is None:
            raise
        return client, experiment.experiment_id


def _flat_parameters(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        here = (*path, str(key))
        dotted = ".".join(here)
        if isinstance(value, Mapping):
            yield from _flat_parameters(value, here)
        elif value is not None and _SECRET.search(str(key)):
            yield dotted, _MASK
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            yield dotted, _USER_IN_ADDRESS.sub(f"{_MASK}@", text)


def _leaves(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def _name(key: str) -> str:
    return re.sub(r"[^\w\-. /]", "_", key)[:250]
