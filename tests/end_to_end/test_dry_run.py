"""A dry run of any job changes nothing: no table, no index, no log, no page, not even the time of a file."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from jobs.console.command_line import JOBS, run_command_line
from tests.end_to_end.conftest import place

ARGUMENTS = {"search": ["a red car with a dent", "--html", "hits.html"]}


def tree(folder: Path) -> dict[str, object]:
    """Everything below a folder: directories by name, files by size, time and contents."""
    return {
        str(path.relative_to(folder)): None
        if path.is_dir()
        else (path.stat().st_size, path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
    }


def dry_runs(folder: Path, demo_input: Path, capfd) -> dict[str, tuple[int, str, list[str]]]:
    """Every job's exit status, its report's status, and what has changed below the folder since."""
    found = {}
    options = place(folder, demo_input, "tracking.enabled=true", "tracking.searches=true")
    for job in JOBS:
        before, given = tree(folder), tree(demo_input)
        status = run_command_line([job, *ARGUMENTS.get(job, []), "--dry-run", "--json", *options])
        out, errors = capfd.readouterr()
        assert "unexpected" not in errors, errors
        after = tree(folder)
        changed = sorted(path for path in before.keys() | after.keys() if before.get(path, 0) != after.get(path, 0))
        assert tree(demo_input) == given, job
        found[job] = (status, json.loads(out)["status"], changed)
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_on_an_empty_place(tmp_path, demo_input, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = dry_runs(tmp_path, demo_input, capfd)
    assert not {job: changed for job, (_, _, changed) in found.items() if changed}
    # There is nothing to search or to prove yet, which is an error whether dry or not.
    possible = set(JOBS) - {"search", "verify"}
    assert {job: ended for job, (*ended, _) in found.items() if job in possible} == {
        job: [0, "dry_run"] for job in possible
    }


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_on_a_finished_place(tmp_path, finished, demo_input, capfd, monkeypatch):
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    found = dry_runs(tmp_path, demo_input, capfd)
    assert not {job: changed for job, (_, _, changed) in found.items() if changed}
    # The index was brought in step where it came from: this copy has nothing to prove.
    assert {job: status for job, (status, _, _) in found.items() if status} == {"verify": 1}
