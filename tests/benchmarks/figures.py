"""The figures to reach, each with what was measured: reached, or missed by how much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.overhead import share_over
from tests.benchmarks.results import Row, cells, chosen

CPU_SHARE = {"a": 0.8, "b": 0.5}
"""Of the best peer's CPU seconds: where the forward pass dominates (A), and where decoding matters (B)."""
OVERHEAD = 0.05
END_TO_END = 0.9
GROWTH_MB = 10.0
"""What a process may gain between 5,000 and 50,000 photos and still be said not to grow: allocators breathe."""


@dataclass(frozen=True)
class Check:
    """One figure: `measured` has to be at most, or at least, `wanted`."""

    figure: str
    wanted: float
    measured: float
    at_most: bool
    digits: int = 2

    @property
    def reached(self) -> bool:
        """Whether it is reached."""
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted

    @property
    def text(self) -> str:
        """The line that is printed."""
        bound = "at most" if self.at_most else "at least"
        shown, wanted = f"{self.measured:.{self.digits}f}", f"{self.wanted:.{self.digits}f}"
        outcome = "reached" if self.reached else f"missed by {abs(self.measured - self.wanted):.{self.digits}f}"
        return f"{outcome}: {self.figure}: {shown} ({bound} {wanted})"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "reached": self.reached, "text": self.text}


def checks(
    rows: Sequence[Row], overhead: Mapping[str, Any] | None = None, memory: Mapping[str, Any] | None = None
) -> list[Check]:
    """Every figure that these results can tell of."""
    good = [row for row in rows if not row.failed]
    found: list[Check] = []
    for set_name, encoder in cells(good):
        here = chosen(good, set=set_name, encoder=encoder)
        ours = next(iter(chosen(here, engine="claimlens", track=1)), None)
        if ours:
            found += _against_peers(ours, [row for row in chosen(here, track=1) if row is not ours])
            found.append(
                Check(f"share of min(forward, decode), {_place(ours)}", END_TO_END, ours.of_minimum, at_most=False)
            )
        beside = (overhead or {}).get(f"{set_name}-{encoder}", {})
        if "passes" in beside:
            found += _overhead(beside["passes"], _place(here[0]))
    if memory and "failed" not in memory:
        grown = memory["last_mb"] - memory["first_mb"]
        name = f"growth in MB from {memory['first_photos']:,} to {memory['photos']:,} photos"
        found.append(Check(name, GROWTH_MB, grown, at_most=True, digits=1))
    return found


def _against_peers(ours: Row, peers: Sequence[Row]) -> list[Check]:
    if not peers:
        return []
    best = min(peers, key=lambda row: row.cpu_seconds)
    fastest = max(peers, key=lambda row: row.photos_per_second)
    return [
        Check(
            f"CPU seconds as a share of the best peer's ({best.title}), {_place(ours)}",
            CPU_SHARE[ours.set],
            ours.cpu_seconds / best.cpu_seconds,
            at_most=True,
        ),
        Check(
            f"photos/s by the fastest peer's ({fastest.title}), {_place(ours)}",
            1.0,
            ours.photos_per_second / fastest.photos_per_second,
            at_most=False,
        ),
    ]


def _overhead(passes: Mapping[str, Sequence[Mapping[str, float]]], place: str) -> list[Check]:
    return [
        Check(
            f"{name} over the plain loop's with the same kernel, {place}",
            OVERHEAD,
            share_over(passes, measure),
            at_most=True,
            digits=3,
        )
        for name, measure in (("time", "seconds"), ("CPU seconds", "cpu_seconds"))
    ]


def _place(row: Row) -> str:
    return f"set {row.set.upper()}, {row.encoder}"
