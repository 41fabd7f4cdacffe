"""Several ranked lists into one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

RANK_CONSTANT = 60
"""As in the article: how little the difference between the first ranks counts."""


@dataclass(frozen=True)
class Candidate:
    """One entity that may answer, its score, and what the index says about it."""

    entity_id: str
    score: float
    row: dict[str, Any] = field(default_factory=dict, repr=False)


def fused(lists: Sequence[Sequence[Candidate]], limit: int) -> list[Candidate]:
    """The best of several ranked lists; one list alone stays as it is, with its scores.

    Several are joined by reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): the score is then the sum
    of 1 / (60 + rank) over the lists that name the entity, and scores of different kinds are never compared.
    """
    if len(lists) == 1:
        return list(lists[0][:limit])
    found: dict[str, Candidate] = {}
    for ranked in lists:
        for rank, candidate in enumerate(ranked, start=1):
            before = found.get(candidate.entity_id)
            score = (before.score if before else 0.0) + 1 / (RANK_CONSTANT + rank)
            found[candidate.entity_id] = replace(before or candidate, score=score)
    return sorted(found.values(), key=lambda candidate: (-candidate.score, candidate.entity_id))[:limit]
