"""Every job as an MLflow run: what it was given, read and did. A broken store never loses a job."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.job.printable import printable
from jobs.job.process import machine_mark, process_mark
from jobs.job.report import Report
from jobs.job.tracked import git_commit, report_metrics, settings_parameters, table_address, text_details
from jobs.lakehouse.places import local_file
from udfs.errors import first_line

if TYPE_CHECKING:
    from jobs.settings.sections import Settings, TableSettings, TrackingSettings

_LONGEST_PARAMETER = 500
_BATCH = 100
_FAILURES_IN_A_ROW = 3
_TRIES = 3
_PAUSE_SECONDS = 300.0


@dataclass
class _OpenRun:
    job: str
    job_run_id: str
    settings: "Settings"
    run_id: str | None = None
    outcome: str = "FINISHED"
    tries: int = 0


class MlflowTracker:
    """Logs to MLflow through a client of its own, so that a notebook's active run is left alone.

    MLflow is imported when the first run opens: it takes seconds. A call that fails is counted and the first one told
    on standard error; the job goes on, and so does tracking. After three failures in a row it rests for five minutes,
    so that a server that is away does not hold every job up.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._client: Any = None
        self._experiment_id = ""
        self._open: list[_OpenRun] = []
        self._to_end: list[_OpenRun] = []
        self._failed = self._in_a_row = 0
        self._rests_until = 0.0

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
                self._to_end.append(opened)
                self._attempt(self._end)
            if not self._open and self._failed > 1:
                _say(f"{self._failed} calls to MLflow failed; its record of this run has gaps.")

    def log(self, report: Report) -> None:
        """Log counts, rates, distributions, Delta versions, inputs and the report itself."""
        if not self._open:
            return
        opened = self._open[-1]
        if report.status == "failed":
            opened.outcome = "FAILED"
        if opened.run_id is not None:
            self._attempt(lambda: self._write(opened, report.recorded()))

    def log_page(self, path: str | Path) -> None:
        """Keep a page, or any other file, with the innermost open run."""
        run_id = self._open[-1].run_id if self._open else None
        if run_id is not None:
            self._attempt(lambda: self._client.log_artifact(run_id, str(path)))

    def _attempt(self, action: Callable[[], object]) -> None:
        if self._clock() < self._rests_until:
            self._failed += 1
            return
        try:
            action()
        except Exception as error:
            self._failed += 1
            self._in_a_row += 1
            if self._in_a_row >= _FAILURES_IN_A_ROW:
                self._rests_until, self._in_a_row = self._clock() + _PAUSE_SECONDS, 0
            if self._failed == 1:
                _say(
                    f"MLflow tracking failed ({first_line(error)}); the job goes on, and tracking tries again. "
                    "Correct tracking.uri, or set tracking.enabled=false."
                )
        else:
            self._in_a_row = 0

    def _end(self) -> None:
        """End the runs that are over; one whose end could not be told is ended at the next opportunity."""
        waiting, self._to_end, problem = self._to_end, [], None
        for over in waiting:
            try:
                self._client.set_terminated(over.run_id, over.outcome)
            except Exception as error:
                problem, over.tries = error, over.tries + 1
                if over.tries < _TRIES:
                    self._to_end.append(over)
        if problem is not None:
            raise problem

    def _close_abandoned(self) -> None:
        """End the runs of killed processes of this machine, which MLflow would show as running for ever."""
        query = f"attributes.status = 'RUNNING' AND tags.machine = '{machine_mark()}'"
        for run in self._client.search_runs([self._experiment_id], query):
            process, _, mark = run.data.tags.get("process", "").partition(" ")
            if process.isdigit() and process_mark(int(process)) != mark:
                self._client.set_tag(run.info.run_id, "status", "killed")
                self._client.set_terminated(run.info.run_id, "KILLED")

    def _begin(self, opened: _OpenRun, parent: str | None) -> None:
        if self._client is None:
            self._client, self._experiment_id = _connect(opened.settings.tracking)
            self._attempt(self._close_abandoned)
        if self._to_end:
            self._attempt(self._end)
        tags = {"mlflow.source.name": "claimlens", "job": opened.job, "run_id": opened.job_run_id}
        tags |= {"machine": machine_mark(), "process": f"{os.getpid()} {process_mark(os.getpid())}"}
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


def tracking_address(tracking: "TrackingSettings") -> str:
    """Address of the store: tracking.uri, else a SQLite file under tracking.root.

    Raises:
        SettingsError: tracking.root is no path of this machine.
    """
    return tracking.uri or f"sqlite:///{_root(tracking) / 'mlflow.db'}"


def _root(tracking: "TrackingSettings") -> Path:
    return local_file(tracking.root, "tracking.root").resolve()


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
        root = _root(tracking)
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


def _say(text: str) -> None:
    print(f"claimlens: {printable(text)}", file=sys.stderr)  # noqa: T201


def _name(key: str) -> str:
    return re.sub(r"[^\w\-. /]", "_", key)[:250]
