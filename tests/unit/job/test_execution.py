"""What is left of a job that fails: its report, with all that was done before."""

import pytest

from jobs import run as flow
from jobs.job.context import JobContext
from jobs.job.execution import JobFailedError, cause_of, execute
from jobs.job.report import Counts, Report
from jobs.job.spec import Job
from udfs.errors import InputError


def failing(error):
    def run(context):
        raise error

    return run


def done(name):
    return lambda context: Report(name, context.run_id, "done", Counts(3, 3), versions_out={"photos": 1})


def test_the_error_comes_with_the_jobs_report(settings):
    error = InputError("/photos is empty.")
    with pytest.raises(JobFailedError, match="ingest: /photos is empty") as failure:
        execute("ingest", failing(error), JobContext.create(settings))
    assert failure.value.report.status == "failed"
    assert failure.value.report.details["error"] == {"type": "InputError", "message": "/photos is empty."}
    assert cause_of(failure.value) is error


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_step_that_fails_ends_the_flow_and_the_report_has_every_step_up_to_it(settings, monkeypatch, dry_run):
    steps = (Job("ingest", "", done("ingest")), Job("embed", "", failing(ValueError(""))), Job("assess", "", done("")))
    monkeypatch.setattr(flow, "STEPS", steps)
    context = JobContext.create(settings, dry_run=dry_run)
    with pytest.raises(JobFailedError) as failure:
        execute("run", flow.run, context)
    report = failure.value.report.as_dict()
    assert (report["job"], report["run_id"], report["status"]) == ("run", context.run_id, "failed")
    assert [(job["job"], job["status"]) for job in report["jobs"]] == [("ingest", "done"), ("embed", "failed")]
    assert report["counts"]["written"] == 3
    assert report["versions_out"] == {"photos": 1}
    assert report["error"] == {"type": "ValueError", "message": "ValueError"}


def test_a_step_that_reports_itself_as_failed_ends_the_flow(settings, monkeypatch):
    lost = Report("embed", "r", "failed", Counts(5, 0, 0, 5))
    monkeypatch.setattr(flow, "STEPS", (Job("embed", "", lambda _: lost), Job("assess", "", done("assess"))))
    report = execute("run", flow.run, JobContext.create(settings))
    assert report.status == "failed"
    assert [job["job"] for job in report.details["jobs"]] == ["embed"]
