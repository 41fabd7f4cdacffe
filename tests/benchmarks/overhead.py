"""What claimlens takes over the plain loop with the same kernel, both side by side in one process.

A machine's speed drifts by more between two cells than what is to be found here. So ours runs between two halves of the
plain loop's passes, and a drift in one direction cancels out. A pass right after the other engine's is not counted:
memory that lay idle meanwhile has to be fetched again, which made such a pass up to a tenth dearer.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.benchmarks.contract import Work
from tests.benchmarks.engines import engine as engine_named
from tests.benchmarks.measure import timed

OURS, PLAIN = "claimlens", "dataloader"


def measure_overhead(work: Work, began: float) -> dict[str, Any]:
    """Photos a pass, and wall and CPU seconds of as many passes of each over the whole set."""
    one_pass = {name: engine_named(name).start(replace(work, engine=name)) for name in (OURS, PLAIN)}
    half = work.passes // 2
    passes: dict[str, list[dict[str, float]]] = {OURS: [], PLAIN: []}
    for block, (name, count) in enumerate(((PLAIN, half), (OURS, work.passes), (PLAIN, work.passes - half))):
        one_pass[name](work.files(), work.scratch / f"warm-up-{block}")
        for number in range(count):
            passes[name].append(timed(one_pass[name], work.files(), work.scratch / f"pass-{block}-{number}"))
    return {"photos": work.count, "passes": passes}


def share_over(passes: Mapping[str, Sequence[Mapping[str, float]]], measure: str) -> float:
    """What ours takes over the plain loop, as a share of the latter; medians of the passes.

    Args:
        passes: of measure_overhead.
        measure: seconds or cpu_seconds.
    """
    ours, plain = (statistics.median(one[measure] for one in passes[name]) for name in (OURS, PLAIN))
    return ours / plain - 1
