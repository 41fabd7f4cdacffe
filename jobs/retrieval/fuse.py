"""Several ranked lists into one."""

from collections.abc import Sequence
from dataclasses import replace

from jobs.index.protocol import Found

RANK_CONSTANT = 60
"""As in the article: how little the difference between the first ranks counts."""


def fused(lists: Sequence[Sequence[Found]], limit: int) -> list[Found]:
    """The best of several ranked lists of one kind of entity; one list alone stays as it is, with its scores.

    Several are joined by reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): the score is then the sum
    of 1 / (60 + rank) over the lists that name the entity, and scores of different kinds are never compared.
    """
    if len(lists) == 1:
        return list(lists[0][:limit])
    best: dict[str, Found] = {}
    for ranked in lists:
        for rank, found in enumerate(ranked, start=1):
            before = best.get(found.entity_id)
            score = (before.score if before else 0.0) + 1 / (RANK_CONSTANT + rank)
            best[found.entity_id] = replace(before or found, score=score)
    return sorted(best.values(), key=lambda found: (-found.score, found.entity_id))[:limit]
