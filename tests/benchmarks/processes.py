"""Cells, each in a process of its own, one after the other; a result that is there already can be taken again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.contract import SAME_KERNEL, Work
from tests.benchmarks.engines import ENGINES, engine
from tests.benchmarks.measure import PeakMemory, tree
from udfs.inference.host.start import ALLOCATOR

ROOT = Path(__file__).resolve().parents[2]


def run_in_process(task: str, work: Work, directory: Path, *, resume: bool, limit: float = 1200.0) -> dict[str, Any]:
    """Run a task of cell.TASKS on this work in a fresh process, and measure the memory of all that it starts.

    What fails, or takes longer than `limit` seconds, gives {"failed": reason}.
    """
    specification = directory / f"{task}-{work.key}.json"
    kept = specification.with_suffix(".kept")
    if resume and kept.is_file():
        values = json.loads(kept.read_text())
        if values["work"] == work.as_json() and "failed" not in values["result"]:
            return {**values["result"], "resumed": True}
    directory.mkdir(parents=True, exist_ok=True)
    answer = specification.with_suffix(".result")
    answer.unlink(missing_ok=True)
    specification.write_text(json.dumps({"task": task, "work": work.as_json(), "began": time.time()}))
    with specification.with_suffix(".log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.cell", str(specification)],
            cwd=ROOT,
            env=_environment(task, work),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        with PeakMemory(process.pid) as memory:
            over = _waited(process, limit)
    result: dict[str, Any]
    if answer.is_file():
        result = json.loads(answer.read_text())
    elif over:
        result = {"failed": f"not done within {limit:.0f} s"}
    else:
        result = {"failed": f"its process ended with status {process.returncode}: {log.name}"}
    result["peak_memory_bytes"] = memory.bytes
    kept.write_text(json.dumps({"work": work.as_json(), "result": result}))
    return result


def _environment(task: str, work: Work) -> dict[str, str]:
    own = engine(work.engine).environment if work.engine in ENGINES else {}
    # The kernel runs with the allocator as the product sets it for itself; peers in their own way as they come.
    peers = task == "engine" and work.track != SAME_KERNEL
    allocator = {} if peers else ALLOCATOR
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        **allocator,
        **own,
    }


def _waited(process: "subprocess.Popen[bytes]", limit: float) -> bool:
    """Wait for the process; past the limit, or when this one is interrupted, end all that it started."""
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        _end(process)
        return True
    except BaseException:
        _end(process)
        raise
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    for member in reversed(tree(process.pid)):
        try:
            os.kill(member.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()
