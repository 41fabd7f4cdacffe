"""What is asked of the index: candidates by their vectors, rows of a claim, and the claims of what was found."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.index.protocol import claims_of
from jobs.retrieval.fuse import Candidate
from jobs.retrieval.hits import CLAIMS_SHOWN, Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jobs.index.filters import Filter
    from jobs.index.protocol import IndexReader

ALL = 1_000_000


def nearest(
    index: "IndexReader",
    vectors: "NDArray[np.float32]",
    entity: str,
    *,
    filters: "Sequence[Filter]",
    excluded: tuple[str, ...],
    limit: int,
) -> tuple[list[Candidate], int | None]:
    """The entities nearest to any of the query vectors [n, d], best first, by the best cosine over them.

    Returns:
        At most `limit` candidates, and how many entities the filters on claims left (None without such filters).
    """
    found = index.nearest(vectors, limit, filters, entity=entity, exclude=excluded)
    on_claims = [entry for entry in filters if entry.on_claims]
    left = index.count(on_claims, entity=entity) if on_claims else None
    return [Candidate(row.entity_id, row.score, dict(row.columns)) for row in found], left


def hits(candidates: Sequence[Candidate], entity: str, filters: "Sequence[Filter]") -> tuple[Hit, ...]:
    """The candidates with their claims, those that pass the filters first."""
    on_claims = [entry for entry in filters if entry.on_claims]
    return tuple(_hit(rank, candidate, entity, on_claims) for rank, candidate in enumerate(candidates, start=1))


def of_claim(index: "IndexReader", claim_id: str, entity: str) -> "tuple[tuple[str, ...], NDArray[np.float32]]":
    """A claim's photos, or its passages: their ids, sorted, and their vectors [n, d]."""
    import numpy as np

    rows = index.of_claim(claim_id, entity, with_vectors=True)
    vectors = np.asarray([row.vector for row in rows], dtype=np.float32)
    return tuple(row.entity_id for row in rows), vectors.reshape(len(rows), -1)


def claims_beginning_with(index: "IndexReader", prefix: str, most: int = ALL) -> list[str]:
    """The numbers of the claims that begin so, whatever their case; sorted, at most `most` of them."""
    return index.claims_like(prefix, most)


def _hit(rank: int, candidate: Candidate, entity: str, on_claims: "Sequence[Filter]") -> Hit:
    row = candidate.row
    claims = sorted(claims_of(row), key=lambda claim: (not _passes(claim, on_claims), claim["claim_id"]))
    reported = sorted({claim["reported_severity"] for claim in claims if claim["reported_severity"]})
    return Hit(
        rank=rank,
        score=candidate.score,
        entity=entity,
        entity_id=candidate.entity_id,
        claim_ids=tuple(claim["claim_id"] for claim in claims[:CLAIMS_SHOWN]),
        claims=len(claims),
        labels=tuple(row["labels"] or ()),
        severity=row["severity"],
        part=row["part"],
        confidence=None if row["confidence"] is None else round(float(row["confidence"]), 4),
        decision=row["decision"],
        reported_severities=tuple(reported),
        captured_at=row["captured_at"].isoformat(sep=" ") if row["captured_at"] else None,
        text=row["text"],
    )


def _passes(claim: Mapping[str, Any], on_claims: "Sequence[Filter]") -> bool:
    return all(entry.passes(claim.get(entry.column)) for entry in on_claims)
