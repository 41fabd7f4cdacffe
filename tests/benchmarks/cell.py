"""One cell in a process of its own: cold start, steady passes, and a look at the table that came out.

Run as `python -m tests.benchmarks.cell SPECIFICATION.json`; writes the measured values beside it. The other
measurements that want a process of their own start here too.
"""

import itertools
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.contract import Engine, Pass, Work
from tests.benchmarks.drift import measure_drift
from tests.benchmarks.engines import engine as engine_named
from tests.benchmarks.measure import CpuCurve, adopt_orphans, timed, tree
from tests.benchmarks.memory import measure_growth
from tests.benchmarks.overhead import measure_overhead
from tests.benchmarks.rates import measure_rates
from tests.benchmarks.residency import measure_residency
from tests.benchmarks.stage_profile import profile_stages
from udfs.errors import first_line


def measure_engine(work: Work, began: float) -> dict[str, Any]:
    """Measure one cell; `began` is when its process was started (time.time())."""
    engine = engine_named(work.engine)
    one_pass = engine.start(work)
    one_pass(sorted(work.first.glob("*.parquet")), work.scratch / "first")
    cold = time.time() - began
    passes = _in_one_query(work, one_pass) if work.track in engine.workers_per_query else steady_passes(work, one_pass)
    return {"cold_start_seconds": cold, "passes": passes, **look_at(work, engine)}


def steady_passes(work: Work, one_pass: Pass) -> list[dict[str, float]]:
    """Wall and CPU seconds of each pass over the whole set, after one that is not counted: code is compiled and buffers
    are filled in it. Each goes into a table of its own."""
    one_pass(work.files(), work.scratch / "warm-up")
    return [timed(one_pass, work.files(), work.scratch / f"pass-{number}") for number in range(work.passes)]


def _in_one_query(work: Work, one_pass: Pass) -> list[dict[str, float]]:
    """One query over the set again and again; the first round, in which its workers start, is not counted."""
    import pyarrow.parquet as pq

    table = work.scratch / "pass-0"
    with CpuCurve() as curve:
        one_pass(_repeated(work), table)
    finished = sorted(pq.read_table(table, columns=["finished_at"])["finished_at"].to_pylist())
    if len(finished) != work.count * (work.passes + 1):
        raise RuntimeError(f"{len(finished)} rows came out of {work.count * (work.passes + 1)}")
    borders = [finished[work.count * (number + 1) - 1] for number in range(work.passes + 1)]
    if any(end <= start for start, end in itertools.pairwise(borders)):
        raise RuntimeError("a pass is shorter than a batch; take more photos")
    return [
        {"seconds": end - start, "cpu_seconds": curve.at(end) - curve.at(start)}
        for start, end in itertools.pairwise(borders)
    ]


def _repeated(work: Work) -> list[Path]:
    """The set once for each pass and once more, under names of their own: some engines read no file twice."""
    folder = work.scratch / "repeated"
    folder.mkdir()
    files = []
    for number in range(work.passes + 1):
        for file in work.files():
            files.append(folder / f"{number}-{file.name}")
            try:
                os.link(file, files[-1])
            except OSError:
                shutil.copy(file, files[-1])
    return files


def look_at(work: Work, engine: Engine) -> dict[str, Any]:
    """Check the last table (a row for every photo, unit vectors), and keep its vectors for a comparison.

    Raises:
        RuntimeError: rows are missing or doubled, or a vector has no unit length.
    """
    import numpy as np
    import pyarrow.parquet as pq

    in_one = work.track in engine.workers_per_query
    last = work.scratch / f"pass-{0 if in_one else work.passes - 1}"
    table = pq.read_table(last, columns=["photo_id", "vector"]).to_pydict()
    rows = dict(zip(table["photo_id"], table["vector"], strict=True))
    wanted = set(pq.read_table(work.photos, columns=["photo_id"])["photo_id"].to_pylist())
    times = work.passes + 1 if in_one else 1
    if set(rows) != wanted or len(table["photo_id"]) != len(wanted) * times:
        raise RuntimeError(f"{len(table['photo_id'])} rows came out of {len(wanted)} photos")
    with_vector = {key: np.asarray(vector, np.float32) for key, vector in rows.items() if vector is not None}
    norms = np.linalg.norm(np.stack(list(with_vector.values())), axis=1)
    if np.abs(norms - 1).max() > 1e-3:
        raise RuntimeError("a vector is not of unit length")
    kept = work.scratch.parent / f"{work.key}.npz"
    arrays: dict[str, Any] = with_vector
    np.savez(kept, **arrays)
    return {"rows": len(rows), "without_vector": len(rows) - len(with_vector), "vectors": kept.name}


TASKS: dict[str, Callable[[Work, float], dict[str, Any]]] = {
    "engine": measure_engine,
    "rates": measure_rates,
    "profile": profile_stages,
    "drift": measure_drift,
    "memory": measure_growth,
    "overhead": measure_overhead,
    "residency": measure_residency,
}


def end_descendants() -> None:
    """End what this process and its children have started and left running."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        left = [process.pid for process in tree(os.getpid())[1:]]
        for pid in left:
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                continue
        deadline = time.time() + 3
        while left and time.time() < deadline:
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            time.sleep(0.05)


def main(arguments: Sequence[str]) -> int:
    """Run the cell that a file describes."""
    specification = Path(arguments[0])
    values = json.loads(specification.read_text())
    work = Work.from_json(values["work"])
    adopt_orphans()
    shutil.rmtree(work.scratch, ignore_errors=True)
    work.scratch.mkdir(parents=True)
    try:
        result = TASKS[values["task"]](work, values["began"])
    except Exception as error:
        import traceback

        traceback.print_exc()
        result = {"failed": f"{type(error).__name__}: {first_line(error)}"[:300]}
    specification.with_suffix(".result").write_text(json.dumps(result))
    sys.stderr.flush()
    end_descendants()
    shutil.rmtree(work.scratch, ignore_errors=True)
    os._exit(0)  # some engines' threads would keep the process


if __name__ == "__main__":
    main(sys.argv[1:])
