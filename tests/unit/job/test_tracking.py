"""What a run leaves in MLflow, on a real local store; and that a broken store loses nothing."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from jobs.job.context import JobContext
from jobs.job.execution import JobFailedError, execute
from jobs.job.mlflow_runs import MlflowTracker, tracking_address
from jobs.job.report import Counts, Report
from jobs.job.tracked import CHECKOUT, git_commit, settings_parameters
from jobs.job.tracking import NoTracker, choose_tracker
from jobs.settings.load import load_settings
from udfs.errors import ModelError

# MLflow's own imports and its SQLite store warn; these are not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")
SECRET = "hunter2-in-clear"
NAMED = "C-1047-of-a-claimant"
ROOT = CHECKOUT


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """An empty store, made once: MLflow takes seconds to create its tables."""
    folder = tmp_path_factory.mktemp("store")
    with MlflowTracker().run("first", "", settings_for(folder)):
        pass
    database = folder / "mlflow" / "mlflow.db"
    with sqlite3.connect(database) as connection:
        for table in ("tags", "params", "runs"):
            connection.execute(f"DELETE FROM {table}")
    return folder / "mlflow"


@pytest.fixture
def place(store, tmp_path):
    """A folder with a copy of the store."""
    shutil.copytree(store, tmp_path / "mlflow")
    return tmp_path


def settings_for(folder, *overrides):
    return load_settings("local", [f"tracking.root={folder}/mlflow", f"tables.root={folder}/lakehouse", *overrides])


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A flow of three jobs, the last of which fails; the runs by their job."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("tracking")
    page = folder / "report.html"
    page.write_text("<html>")
    settings = settings_for(folder, f"spark.config={{'spark.hadoop.fs.s3a.secret.key': {SECRET}}}")
    context = JobContext.create(settings, tracker=MlflowTracker())

    def embed(inner):
        details = {
            "names": [NAMED],
            "claims": {
                "failed": 1,
                "failed_records": [{"source": NAMED}],
                "doubtful_records": [{"source": NAMED}],
                "problems": [{"source": NAMED}],
                "files_without_column": {"story": [NAMED]},
            },
            "unmapped_severities": {NAMED: 1},
            "model_key": "abc123",
            "model_load_seconds": 1.5,
            "label_distribution": {"dent": 4, "glass shatter": 2},
            "score_quantiles": {"dent": {"p50": 0.7}},
            "classified_in_pass": True,
        }
        counts = Counts(10, 6, 1, 3, {"empty": 2, "corrupt": 1})
        return Report("embed", inner.run_id, "done", counts, 0, {"photos": 7}, {"embeddings": 3}, details)

    def report(inner):
        inner.tracker.log_page(page)
        return Report("report", inner.run_id, "done", Counts())

    def search(inner):
        details = {"query": {"claim_id": NAMED}, "hits": [{"text": NAMED}]}
        return Report("search", inner.run_id, "done", Counts(), details=details)

    def assess(inner):
        raise ValueError(f"a row that holds {NAMED}")

    def classify(inner):
        raise ModelError("no text tower")

    def flow(inner):
        execute("embed", embed, inner.next_job())
        execute("search", search, inner.next_job())
        with suppress(JobFailedError):
            execute("assess", assess, inner.next_job())
        execute("report", report, inner.next_job())
        execute("classify", classify, inner.next_job())
        return Report("run", inner.run_id, "done", Counts())

    with pytest.raises(JobFailedError, match="no text tower"):
        execute("run", flow, context)
    client = MlflowClient(tracking_uri=tracking_address(settings.tracking))
    experiment = client.get_experiment_by_name("claimlens")
    runs = {run.data.tags["job"]: run for run in client.search_runs([experiment.experiment_id])}
    return client, runs


def test_counts_rates_and_distributions_are_metrics(logged):
    metrics = logged[1]["embed"].data.metrics
    assert (metrics["rows_in"], metrics["rows_written"], metrics["rows_skipped"], metrics["rows_failed"]) == (
        10,
        6,
        1,
        3,
    )
    assert metrics["failed/empty"] == 2
    assert metrics["failed/corrupt"] == 1
    assert metrics["model_load_seconds"] == 1.5
    assert metrics["label_distribution/glass shatter"] == 2
    assert metrics["score_quantiles/dent/p50"] == pytest.approx(0.7)
    assert metrics["seconds"] >= 0
    assert metrics["photos_per_second"] > 0


def test_parameters_versions_and_model_key(logged):
    parameters = logged[1]["embed"].data.params
    assert parameters["model_key"] == "abc123"
    assert parameters["models.photo.name"] == "bundled:demo"
    assert parameters["version_in/photos"] == "7"
    assert parameters["version_out/embeddings"] == "3"


def test_input_datasets_are_tables_at_versions(logged):
    dataset = logged[1]["embed"].inputs.dataset_inputs[0].dataset
    assert (dataset.name, dataset.digest) == ("photos", "7")
    source = json.loads(dataset.source)
    assert source["path"].endswith("/lakehouse/photos")
    assert source["delta_table_version"] == 7


def test_the_report_and_the_page_are_artifacts(logged):
    client, runs = logged
    assert [item.path for item in client.list_artifacts(runs["embed"].info.run_id)] == ["report.json"]
    assert {item.path for item in client.list_artifacts(runs["report"].info.run_id)} == {"report.html", "report.json"}


def test_jobs_of_a_flow_are_children_of_its_run(logged):
    runs = logged[1]
    for job in ("embed", "report", "classify"):
        assert runs[job].data.tags["mlflow.parentRunId"] == runs["run"].info.run_id
    assert "mlflow.parentRunId" not in runs["run"].data.tags


def test_a_failed_job_and_its_flow_end_as_failed(logged):
    runs = logged[1]
    assert {job: run.info.status for job, run in runs.items()} == {
        "run": "FAILED",
        "embed": "FINISHED",
        "search": "FINISHED",
        "assess": "FAILED",
        "report": "FINISHED",
        "classify": "FAILED",
    }
    assert runs["classify"].data.tags["error/message"] == "no text tower"


def test_no_secret_reaches_the_store(logged):
    for run in logged[1].values():
        assert SECRET not in str(run.to_dictionary())
    assert logged[1]["embed"].data.params["spark.config.spark.hadoop.fs.s3a.secret.key"] == "**********"


def test_no_claim_photo_or_text_reaches_the_store(logged):
    client, runs = logged
    folder = Path(client.tracking_uri.removeprefix("sqlite:///")).parent
    held = [path for path in folder.rglob("*") if path.is_file()]
    assert {"search", "assess", "embed"} <= runs.keys()
    assert not [path for path in held if NAMED.encode() in path.read_bytes()]
    assert runs["assess"].data.tags["error/type"] == "ValueError"
    assert runs["embed"].data.metrics["claims/failed"] == 1


def test_secrets_are_masked_wherever_settings_hide_them(tmp_path):
    settings = settings_for(
        tmp_path,
        f"tracking.uri=https://user:{SECRET}@tracking.example/",
        f"ingest.claims.options={{password: {SECRET}}}",
        f"spark.config={{'fs.azure.account.key.store': {SECRET}, 'spark.speculation': 'true'}}",
    )
    parameters = settings_parameters(settings)
    assert SECRET not in str(parameters)
    assert parameters["spark.config.spark.speculation"] == "true"
    assert parameters["tracking.uri"].endswith("@tracking.example/")


def done(context):
    return Report("embed", context.run_id, "done", Counts(1, 1))


def runs_in(settings):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_address(settings.tracking))
    return client.search_runs([client.get_experiment_by_name("claimlens").experiment_id])


def test_a_broken_store_is_told_once_and_tracking_goes_on_when_it_is_mended(tmp_path, capfd):
    blocked = tmp_path / "mlflow"
    blocked.write_text("a file where the store should be")
    settings = settings_for(tmp_path)
    context = JobContext.create(settings, tracker=MlflowTracker())
    for _ in range(2):
        assert execute("embed", done, context.next_job()).status == "done"
    err = capfd.readouterr().err
    assert err.count("MLflow tracking failed") == 1
    assert "tracking.enabled=false" in err
    assert "2 calls to MLflow failed" in err
    blocked.unlink()
    mended = context.next_job()
    execute("embed", done, mended)
    assert [run.data.tags["run_id"] for run in runs_in(settings)] == [mended.run_id]


def test_one_failing_call_leaves_the_rest_of_a_run_tracked(place, capfd):
    settings = settings_for(place)
    tracker = MlflowTracker()
    context = JobContext.create(settings, tracker=tracker)

    def with_a_fault(inner):
        client, broken = tracker._client, tracker._client.set_terminated

        def fails_once(*given):
            client.set_terminated = broken
            raise ConnectionResetError("the server hung up")

        client.set_terminated = fails_once
        return done(inner)

    execute("embed", with_a_fault, context)
    assert [run.info.status for run in runs_in(settings)] == ["RUNNING"]
    execute("assess", done, context.next_job())
    assert {run.info.status for run in runs_in(settings)} == {"FINISHED"}
    assert capfd.readouterr().err.count("the server hung up") == 1


def test_a_server_that_is_away_is_left_alone_for_a_while(tmp_path, capfd):
    (tmp_path / "mlflow").write_text("in the way")
    now, asked = [0.0], []
    tracker = MlflowTracker(clock=lambda: now[0])
    settings = settings_for(tmp_path)
    context = JobContext.create(settings, tracker=tracker)
    for minute in range(8):
        now[0] = minute * 60.0
        execute("embed", done, context.next_job())
        asked.append(tracker._in_a_row)
    assert asked == [1, 2, 0, 0, 0, 0, 0, 1]


def test_the_run_of_a_killed_process_is_closed_by_the_next_start_and_a_living_one_is_not(place):
    settings = settings_for(place)
    code = (
        "import os, signal, sys, time; from jobs.job.mlflow_runs import MlflowTracker; "
        "from jobs.settings.load import load_settings; "
        f"settings = load_settings('local', ['tracking.root={place}/mlflow'])\n"
        "with MlflowTracker().run(sys.argv[1], 'r', settings):\n"
        "    print('open', flush=True); time.sleep(300)"
    )
    command = [sys.executable, "-c", code, "killed"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"
        process.kill()
    with MlflowTracker().run("living", "r", settings):
        execute("embed", done, JobContext.create(settings, tracker=MlflowTracker()))
        states = {run.data.tags["job"]: run.info.status for run in runs_in(settings)}
    assert states == {"killed": "KILLED", "living": "RUNNING", "embed": "FINISHED"}


def test_tracking_can_be_off(tmp_path):
    assert isinstance(choose_tracker(settings_for(tmp_path, "tracking.enabled=false"), "embed"), NoTracker)
    assert isinstance(choose_tracker(settings_for(tmp_path), "embed", dry_run=True), NoTracker)
    assert isinstance(choose_tracker(settings_for(tmp_path), "embed"), MlflowTracker)
    assert isinstance(choose_tracker(settings_for(tmp_path), "search"), NoTracker)
    assert isinstance(choose_tracker(settings_for(tmp_path, "tracking.searches=true"), "search"), MlflowTracker)


def test_the_commit_is_the_checkouts(tmp_path):
    assert git_commit(tmp_path / "inside.zip") is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert git_commit(tmp_path) is None
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    commit = git_commit(tmp_path)
    assert commit is not None
    assert len(commit) == 40


def test_another_projects_commit_is_not_taken_for_ours(tmp_path):
    """claimlens installed into a virtual environment that lies in somebody's checkout."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    (tmp_path / "packages").mkdir()
    assert git_commit(tmp_path / "packages") is None
    assert (CHECKOUT / "jobs" / "job").is_dir()
