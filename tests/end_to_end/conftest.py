"""Small demo inputs and a way to run the command in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.claims.files import write_demo

ROOT = Path(__file__).resolve().parent.parent.parent
AFTER_INGEST = ("embeddings", "damage_predictions", "claim_assessments", "index_state", "job_runs", "_staging")


@dataclass(frozen=True)
class Answer:
    """What a command printed and how it ended."""

    status: int
    output: str
    errors: str

    @property
    def report(self) -> dict[str, Any]:
        assert self.status == 0, self.errors[-3000:]
        return json.loads(self.output)


@pytest.fixture(scope="session")
def demo_input(tmp_path_factory) -> Path:
    """Twelve claims with their photos, oddities included."""
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder, claims=12, seed=3)
    return folder


def place(folder: Path, demo_input: Path, *more: str) -> list[str]:
    """Options that keep every output of a run inside `folder`."""
    values = [
        f"tables.root={folder}/lakehouse",
        f"index.root={folder}/index",
        f"tracking.root={folder}/mlflow",
        f"report.output={folder}/report.html",
        f"demo.root={demo_input}",
        f"ingest.photos={demo_input}/photos",
        f"ingest.claims.path={demo_input}/claims.json",
        f"ingest.links.path={demo_input}/photo_metadata.csv",
        "tracking.enabled=false",
        # A twelfth of the demo's photos are broken on purpose: many among few.
        "limits.failure_rate=0.9",
        *more,
    ]
    return ["--config", "demo", *(part for value in values for part in ("--set", value))]


@dataclass(frozen=True)
class Finished:
    """A whole flow that a user has run: where everything lies, its report, and what was said on standard error."""

    folder: Path
    report: dict[str, Any]
    errors: str

    def ingested(self, folder: Path) -> Path:
        """A copy, in `folder`, of the tables as they were when ingest was through and nothing was embedded yet."""
        shutil.copytree(self.folder / "lakehouse", folder / "lakehouse", ignore=shutil.ignore_patterns(*AFTER_INGEST))
        return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory, demo_input) -> Finished:
    """`claimlens run` in a process of its own, once for all tests; whoever writes works on a copy."""
    folder = tmp_path_factory.mktemp("finished")
    answer = run_claimlens(folder, "run", "--json", *place(folder, demo_input))
    return Finished(folder, answer.report, answer.errors)


@pytest.fixture
def claimlens(tmp_path) -> Callable[..., Answer]:
    """Run `claimlens …` as a user would, in an empty directory."""
    return partial(run_claimlens, tmp_path)


def run_claimlens(folder: Path, *arguments: str) -> Answer:
    """Run `claimlens …` in a process of its own whose directory is `folder`."""
    command = [sys.executable, "-m", "jobs.console.command_line", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, timeout=400, check=False
    )
    return Answer(done.returncode, done.stdout, done.stderr)
