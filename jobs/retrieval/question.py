"""What is asked of the index, and what it answers: plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from jobs.job.report import Report

CLAIMS_SHOWN = 5


@dataclass(frozen=True)
class Query:
    """A question: a sentence, a photo file, or a claim whose photos are the question; a sentence may join either.

    `weight` is the sentence's share (0 to 1) against the photo's. `where` holds filters as jobs.index.filters
    reads them; all must hold. `entity` is what to find: photo or narrative. A claim does not find itself unless
    `include_self`.
    """

    sentence: str | None = None
    photo: Path | None = None
    claim_id: str | None = None
    weight: float = 0.5
    where: tuple[str, ...] = ()
    limit: int | None = None
    entity: str = "photo"
    include_self: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The parts that were asked, as JSON values."""
        asked: dict[str, Any] = {
            "sentence": self.sentence,
            "photo": str(self.photo) if self.photo else None,
            "claim_id": self.claim_id,
            "where": list(self.where),
            "entity": self.entity,
        }
        if self.sentence and (self.photo or self.claim_id):
            asked["weight"] = self.weight
        return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True)
class Hit:
    """One photo (or narrative) that answers. `score` is the cosine; `claim_ids` names up to five of `claims` claims."""

    rank: int
    score: float
    photo_id: str
    claim_ids: tuple[str, ...] = ()
    claims: int = 0
    labels: tuple[str, ...] = ()
    severity: str | None = None
    part: str | None = None
    confidence: float | None = None
    decision: str | None = None
    reported_severities: tuple[str, ...] = ()
    captured_at: str | None = None
    narrative: str | None = None
    thumbnail: bytes | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The hit as JSON values, without its picture."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "thumbnail"}
        listed = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {**listed, "score": round(self.score, 6)}


@dataclass(frozen=True)
class SearchResult:
    """The hits, best first. `candidates` is how many photos the filters on claims left; None without such filters."""

    query: Query
    hits: tuple[Hit, ...]
    model_key: str
    index: str
    rows: int
    candidates: int | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    asked_with: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class SearchReport(Report):
    """The report of a search, with its result, pictures included, for the table and the page."""

    result: SearchResult | None = None
