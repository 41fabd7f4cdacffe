"""What an engine is given, and what it gives back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Pass = Callable[[Sequence[Path], Path], None]
"""Embed the photos of some Parquet files (photo_id, jpeg) into a new directory of Parquet files: photo_id, vector
(float32, unit length; null where a photo does not decode)."""

SAME_KERNEL = 2
TRACKS = {1: "each engine's documented best interface", 2: "the same kernel in each engine"}


@dataclass(frozen=True)
class Work:
    """One cell of the benchmark: an engine, a track, a set of photos and an encoder. `first` holds a single photo."""

    engine: str
    track: int
    set: str
    encoder: str
    model: Path
    photos: Path
    first: Path
    count: int
    passes: int
    cores: int
    scratch: Path
    variant: str = ""

    @property
    def key(self) -> str:
        """Its name in file names."""
        return "-".join(filter(None, (f"track{self.track}", self.set, self.encoder, self.engine, self.variant)))

    def files(self) -> list[Path]:
        """The Parquet files of the set."""
        return sorted(self.photos.glob("*.parquet"))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Work":
        """The inverse of as_json."""
        paths = {name: Path(values[name]) for name in ("model", "photos", "first", "scratch")}
        return cls(**{**values, **paths})


def takes_all(work: Work) -> str | None:
    """An engine that refuses nothing."""
    return None


@dataclass(frozen=True)
class Engine:
    """An engine to be measured.

    `start` imports it, opens its session and gives the function for one pass. `interface` says per track how it is
    used. `environment` is set before its process begins. `refuses` says why an engine cannot do a cell, or None. On the
    tracks in `workers_per_query` it builds its workers anew for each query: then all passes run in one, and are told
    apart by the column finished_at (time.time() of the row's batch).
    """

    title: str
    interface: Mapping[int, str]
    start: Callable[[Work], Pass]
    environment: Mapping[str, str] = field(default_factory=dict)
    refuses: Callable[[Work], str | None] = takes_all
    workers_per_query: frozenset[int] = frozenset()
