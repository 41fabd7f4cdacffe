"""Small demo inputs and a way to run the command in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.demo.claims import write_demo

ROOT = Path(__file__).resolve().parent.parent.parent


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
    """Ten claims with their photos, oddities included."""
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


@pytest.fixture
def claimlens(tmp_path) -> Callable[..., Answer]:
    """Run `claimlens …` as a user would, in an empty directory."""

    def run(*arguments: str, environment: dict[str, str] | None = None) -> Answer:
        command = [sys.executable, "-m", "jobs.runtime.command_line", *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            timeout=400,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run
