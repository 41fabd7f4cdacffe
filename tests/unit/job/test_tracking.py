"""What a run leaves in MLflow, on a real local store; and that a broken store loses nothing."""

import json
import subprocess

import pytest

from jobs.job.context import JobContext
from jobs.job.execution import JobFailedError, execute
from jobs.job.report import Counts, Report
from jobs.job.tracking import (
    MlflowTracker,
    NoTracker,
    choose_tracker,
    git_commit,
    settings_parameters,
    tracking_address,
)
from jobs.settings.load import load_settings
from udfs.errors import ModelError

# MLflow's own imports and its SQLite store warn; these are not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")
SECRET = "hunter2-in-clear"


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
            "model_key": "abc123",
            "model_load_seconds": 1.5,
            "label_distribution": {"dent": 4, "glass shatter": 2},
            "score_quantiles": {"dent": {"p50": 0.7}},
            "classified_in_pass": True,
        }
        counts = Counts(10, 6, 1, 3, {"empty": 2, "corrupt": 1})
        return Report("embed", inner.run_id, "done", counts, 0, {"photos": 7}, {"embeddings": 3}, details)

    def report(inner):
        inner.tracker.log_artifact(page)
        return Report("report", inner.run_id, "done", Counts())

    def classify(inner):
        raise ModelError("no text tower")

    def flow(inner):
        execute("embed", embed, inner.next_job())
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
        "report": "FINISHED",
        "classify": "FAILED",
    }
    assert runs["classify"].data.tags["error/message"] == "no text tower"


def test_no_secret_reaches_the_store(logged):
    for run in logged[1].values():
        assert SECRET not in str(run.to_dictionary())
    assert logged[1]["embed"].data.params["spark.config.spark.hadoop.fs.s3a.secret.key"] == "**********"


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


def test_a_broken_store_is_told_once_and_the_job_goes_on(tmp_path, capfd):
    blocked = tmp_path / "mlflow"
    blocked.write_text("a file where the store should be")
    context = JobContext.create(settings_for(tmp_path), tracker=MlflowTracker())
    for _ in range(2):
        report = execute("embed", lambda inner: Report("embed", inner.run_id, "done", Counts(1, 1)), context)
        assert report.status == "done"
    err = capfd.readouterr().err
    assert err.count("tracking stopped") == 1
    assert "tracking.enabled=false" in err


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
