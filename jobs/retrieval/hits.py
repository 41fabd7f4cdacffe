"""What the index answers: plain data, for a table, a page, JSON, or whoever asks next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from jobs.retrieval.question import Query

if TYPE_CHECKING:
    from jobs.index.filters import Filter
    from jobs.index.protocol import Found

CLAIMS_SHOWN = 5


@dataclass(frozen=True)
class Hit:
    """One photo or text that answers: the key (entity, entity_id), and why it may matter.

    `score` is the cosine with the question. `claim_ids` names up to five of the `claims` claims that it belongs to,
    those that pass the filters first. `text` is what a text says; None for a photo.
    """

    rank: int
    score: float
    entity: str
    entity_id: str
    claim_ids: tuple[str, ...] = ()
    claims: int = 0
    labels: tuple[str, ...] = ()
    severity: str | None = None
    part: str | None = None
    confidence: float | None = None
    decision: str | None = None
    reported_severities: tuple[str, ...] = ()
    captured_at: str | None = None
    text: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The hit as JSON values."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        listed = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {**listed, "score": round(self.score, 6)}


@dataclass(frozen=True)
class SearchResult:
    """The hits, best first, and where they come from.

    `rows` is the number of vectors in the index, `candidates` how many of them the filters on claims left (None
    without such filters). `asked_photo` is the cleaned JPEG that was asked with, `asked_ids` the photos of the claim
    that was; `claim_id` that claim's full number.
    """

    query: Query
    hits: tuple[Hit, ...]
    model_key: str
    index: str
    rows: int
    candidates: int | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    claim_id: str | None = None
    asked_photo: bytes | None = field(default=None, repr=False)
    asked_ids: tuple[str, ...] = field(default=(), repr=False)


def hits_of(found: "Iterable[Found]", filters: "Sequence[Filter]" = ()) -> tuple[Hit, ...]:
    """What was found, ranked as it comes; of each entity the claims that pass the filters stand first."""
    on_claims = [entry for entry in filters if entry.on_claims]
    return tuple(_hit(rank, entity, on_claims) for rank, entity in enumerate(found, start=1))


def _hit(rank: int, found: "Found", on_claims: "Sequence[Filter]") -> Hit:
    columns, claims = found.columns, found.claims
    passing = {claim["claim_id"] for claim in claims if all(entry.passes(claim[entry.column]) for entry in on_claims)}
    ids = sorted((claim["claim_id"] for claim in claims), key=lambda claim_id: (claim_id not in passing, claim_id))
    confidence, captured_at = columns.get("confidence"), columns.get("captured_at")
    return Hit(
        rank=rank,
        score=found.score,
        entity=found.entity,
        entity_id=found.entity_id,
        claim_ids=tuple(ids[:CLAIMS_SHOWN]),
        claims=len(ids),
        labels=tuple(columns.get("labels") or ()),
        severity=columns.get("severity"),
        part=columns.get("part"),
        confidence=None if confidence is None else round(float(confidence), 4),
        decision=columns.get("decision"),
        reported_severities=tuple(sorted({claim["reported_severity"] for claim in claims} - {None})),
        captured_at=captured_at.isoformat(sep=" ") if captured_at else None,
        text=columns.get("text"),
    )
