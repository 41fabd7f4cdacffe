"""The command line as a shell sees it: exit status, standard output, standard error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.console.command_line import JOBS, run_command_line, with_values
from jobs.job.report import Counts, Report
from jobs.job.spec import Job
from udfs.errors import InputError

QUIET = ["--set", "tracking.enabled=false"]


@pytest.fixture
def job(monkeypatch, tmp_path):
    """Puts a function in place of the job assess."""

    def install(run):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setitem(JOBS, "assess", Job("assess", "stand-in", run))

    return install


def done(context):
    counts = Counts(10, 6, 1, 3, {"empty": 2, "corrupt": 1})
    return Report("assess", context.run_id, "done", counts, details={"damages": {"dent": 4}, "page": "out.html"})


def test_json_is_one_report_and_nothing_else(job, capfd):
    def noisy(context):
        sys.stdout.write("a library prints\n")
        os.write(1, b"so does a child process\n")
        subprocess.run([sys.executable, "-c", "print('and another one')"], check=True)
        context.progress.say("half way")
        return done(context)

    job(noisy)
    assert run_command_line(["assess", "--json", *QUIET]) == 0
    out, err = capfd.readouterr()
    report = json.loads(out)
    assert report["job"] == "assess"
    assert report["status"] == "done"
    assert report["counts"] == {
        "in": 10,
        "written": 6,
        "skipped": 1,
        "failed": 3,
        "by_code": {"empty": 2, "corrupt": 1},
    }
    assert report["damages"] == {"dent": 4}
    assert report["run_id"]
    assert {"seconds", "photos_per_second", "versions_in", "versions_out"} <= report.keys()
    for line in ("a library prints", "so does a child process", "and another one", "half way"):
        assert line in err


def test_summary_for_a_person(job, capfd):
    job(done)
    assert run_command_line(["assess", *QUIET]) == 0
    out = capfd.readouterr().out
    assert "claimlens assess: done" in out
    assert "10 in: 6 written, 1 skipped, 3 failed" in out
    assert "empty" in out
    assert "out.html" in out


def test_summary_of_a_flow_lists_its_jobs(job, capfd):
    def flow(context):
        parts = [done(context).as_dict(), {**done(context).as_dict(), "job": "sync-index", "status": "nothing_to_do"}]
        return Report("assess", context.run_id, "done", Counts(), details={"jobs": parts})

    job(flow)
    assert run_command_line(["assess", *QUIET]) == 0
    out = capfd.readouterr().out
    assert "sync-index" in out
    assert "nothing to do" in out


def failing(error):
    def run(context):
        raise error

    return run


def test_a_failure_is_one_line_and_exit_1(job, capfd):
    job(failing(InputError("/photos is empty: put photos there.\nsecond line")))
    assert run_command_line(["assess", *QUIET]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "claimlens assess: /photos is empty: put photos there.\n"


def test_a_failure_that_quotes_data_cannot_command_the_terminal(job, capfd):
    job(failing(InputError("2 claims begin so: \x1b]0;owned\x07, \x9b2J")))
    assert run_command_line(["assess", *QUIET]) == 1
    assert capfd.readouterr().err == "claimlens assess: 2 claims begin so: \ufffd]0;owned\ufffd, \ufffd2J\n"


def test_a_failure_in_json_is_a_report_too(job, capfd):
    job(failing(InputError("no photos")))
    assert run_command_line(["assess", "--json", *QUIET]) == 1
    out, err = capfd.readouterr()
    report = json.loads(out)
    assert report["status"] == "failed"
    assert report["error"] == {"type": "InputError", "message": "no photos"}
    assert err == "claimlens assess: no photos\n"


def test_a_failed_report_is_exit_1(job, capfd):
    job(lambda context: Report("assess", context.run_id, "failed", Counts(1, 0, 0, 1, {"empty": 1})))
    assert run_command_line(["assess", *QUIET]) == 1
    assert "failed" in capfd.readouterr().out


def test_the_unexpected_keeps_its_traceback_in_a_file(job, capfd, tmp_path):
    job(failing(ZeroDivisionError("division by zero")))
    assert run_command_line(["assess", *QUIET]) == 1
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    log = tmp_path / err.strip().rpartition("traceback in ")[2]
    assert "ZeroDivisionError" in log.read_text()
    assert run_command_line(["assess", "--debug", *QUIET]) == 1
    assert "Traceback" in capfd.readouterr().err


def test_a_dry_run_that_fails_leaves_nothing_in_the_place(job, capfd, tmp_path):
    job(failing(ZeroDivisionError("division by zero")))
    assert run_command_line(["assess", "--dry-run", *QUIET]) == 1
    assert list(tmp_path.iterdir()) == []
    log = Path(capfd.readouterr().err.strip().rpartition("traceback in ")[2])
    assert "ZeroDivisionError" in log.read_text()
    log.unlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], "No such command"),
        (["embed", "--nope"], "No such option"),
        (["embed", "--config", "dmo"], "did you mean demo"),
        (["embed", "--set", "models.photo.batchsize=1"], "models.photo.batch_size"),
        (["search", "dent", "--limit", "0"], "--limit"),
        (["doctor", "--set", "nonsense"], "a.b=c"),
    ],
)
def test_wrong_usage_and_settings_are_exit_2(arguments, words, capfd):
    assert run_command_line(arguments) == 2
    out, err = capfd.readouterr()
    assert words in err
    assert out == ""
    assert "Traceback" not in err


def test_dry_run_and_overrides_reach_the_job(job, capfd):
    def run(context):
        assert context.dry_run
        assert context.settings.models.photo.batch_size == 3
        return Report("assess", context.run_id, "dry_run", Counts(4, 0, 4))

    job(run)
    assert (
        run_command_line(["assess", "--dry-run", "--set", "models.photo.batch_size=3", "--set", "search.limit=2"]) == 0
    )
    assert "would do" in capfd.readouterr().out


def test_an_interrupted_job_says_that_it_can_go_on(job, capfd):
    job(failing(KeyboardInterrupt()))
    assert run_command_line(["assess", *QUIET]) == 130
    assert "Run it again" in capfd.readouterr().err


def test_search_hands_its_options_on_and_prints_its_own_table(monkeypatch, capfd):
    asked = {}

    def run(context, **options):
        asked.update(options)
        return Report("search", context.run_id, "done", Counts(1, 1), details={"hits": []})

    monkeypatch.setitem(JOBS, "search", Job("search", "", run, lambda _report, console: console.print("one hit")))
    options = ["--claim", "C1", "--where", "severity=severe", "--where", "a=b", "--limit", "3", "--html", "hits.html"]
    assert run_command_line(["search", "a dented door", *options, *QUIET]) == 0
    assert "one hit" in capfd.readouterr().out
    assert (asked["sentence"], asked["claim"], asked["limit"]) == ("a dented door", "C1", 3)
    assert asked["where"] == ["severity=severe", "a=b"]
    assert asked["html"] == Path("hits.html")
    assert asked["weight"] == 0.5


def test_the_demo_data_take_the_demo_where_no_place_is_given(monkeypatch, capfd):
    def run(context):
        assert context.settings.place == "demo"
        return Report("demo-data", context.run_id, "done", Counts())

    monkeypatch.setitem(JOBS, "demo-data", Job("demo-data", "", run, place="demo"))
    assert run_command_line(["demo-data", *QUIET]) == 0


def test_every_command_takes_the_shared_options(capfd):
    for name in [*JOBS, "doctor"]:
        assert run_command_line([name, "--help"]) == 0
        out = capfd.readouterr().out
        for option in ("--config", "--set", "--dry-run", "--json", "--debug"):
            assert option in out, name


def test_every_job_is_in_the_help(capfd):
    assert run_command_line(["--help"]) == 0
    out = capfd.readouterr().out
    for name in [*JOBS, "doctor"]:
        assert f"\n  {name} " in out


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["ingest", "--retry-failed"], ["ingest", "--retry-failed=all"]),
        (["embed", "--retry-failed", "--json"], ["embed", "--retry-failed=all", "--json"]),
        (["ingest", "--retry-failed", "corrupt", "--json"], ["ingest", "--retry-failed", "corrupt", "--json"]),
        (["ingest", "--retry-failed=corrupt"], ["ingest", "--retry-failed=corrupt"]),
        ([], []),
    ],
)
def test_what_failed_is_tried_again_with_or_without_naming_a_code(typed, read):
    assert with_values(typed) == read
