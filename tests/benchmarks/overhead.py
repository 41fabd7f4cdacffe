"""What claimlens takes over the plain loop with the same kernel: both in one process, a pass of each in turn.

A machine's speed drifts by more between two cells than what is to be found here; between two passes it hardly does.
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
    """Pairs of passes over the whole set, after one of each that is not counted; who goes first alternates."""
    passes = {name: engine_named(name).start(replace(work, engine=name)) for name in (OURS, PLAIN)}
    for name, one_pass in passes.items():
        one_pass(work.files(), work.scratch / f"warm-up-{name}")
    pairs = []
    for number in range(work.passes):
        order = (OURS, PLAIN) if number % 2 else (PLAIN, OURS)
        tables = {name: work.scratch / f"{name}-{number}" for name in order}
        pairs.append({name: timed(passes[name], work.files(), tables[name]) for name in order})
    return {"pairs": pairs}


def shares_over(pairs: Sequence[Mapping[str, Mapping[str, float]]], measure: str) -> tuple[float, float, float]:
    """Median, smallest and largest of what ours takes over the plain loop in each pair, as a share of the latter.

    Args:
        pairs: of measure_overhead.
        measure: seconds or cpu_seconds.
    """
    shares = [pair[OURS][measure] / pair[PLAIN][measure] - 1 for pair in pairs]
    return statistics.median(shares), min(shares), max(shares)
