"""A reader from a scan alone: exact, in one pass over the rows. For small stores, and as the truth about large ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.index.filters import Filter, matches
from jobs.index.protocol import MODULUS, Fingerprint, Found
from jobs.index.schemas import HASHES

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ScanningReader:
    """All that an IndexReader answers, for a store that gives its rows one by one."""

    def scan(self) -> Iterator[Mapping[str, Any]]:
        """The rows as mappings, `vector` included, in any order."""
        raise NotImplementedError

    def nearest(
        self,
        vectors: "NDArray[np.float32]",
        limit: int,
        filters: Sequence[Filter] = (),
        *,
        entity: str = "photo",
        exclude: Sequence[str] = (),
        with_vectors: bool = False,
    ) -> list[Found]:
        """See IndexReader."""
        asked = np.atleast_2d(np.asarray(vectors, np.float32))
        rows = (row for row in self._of(entity, filters) if row["entity_id"] not in exclude)
        scored = [
            found(row, float((asked @ np.asarray(row["vector"], np.float32)).max()), with_vectors) for row in rows
        ]
        return sorted(scored, key=_by_score)[:limit]

    def lexical(self, text: str, limit: int, filters: Sequence[Filter] = (), *, entity: str = "passage") -> list[Found]:
        """See IndexReader; the score is the number of words that the text shares with the question."""
        words = set(text.lower().split())
        scored = [
            found(row, float(len(words & set(row["text"].lower().split()))))
            for row in self._of(entity, filters)
            if row.get("text")
        ]
        return sorted((row for row in scored if row.score), key=_by_score)[:limit]

    def get(self, entity: str, ids: Sequence[str], *, with_vectors: bool = False) -> list[Found]:
        """See IndexReader."""
        wanted = {entity_id: place for place, entity_id in reversed(list(enumerate(ids)))}
        rows = [found(row, 0.0, with_vectors) for row in self._of(entity) if row["entity_id"] in wanted]
        return sorted(rows, key=lambda row: wanted[row.entity_id])

    def of_claim(self, claim_id: str, entity: str, *, with_vectors: bool = False) -> list[Found]:
        """See IndexReader."""
        rows = [found(row, 0.0, with_vectors) for row in self._of(entity) if claim_id in (row["claim_ids"] or ())]
        return sorted(rows, key=_by_score)

    def claims_like(self, prefix: str, limit: int) -> list[str]:
        """See IndexReader."""
        ids = {claim_id for row in self.scan() for claim_id in row["claim_ids"] or ()}
        return sorted(claim_id for claim_id in ids if claim_id.lower().startswith(prefix.lower()))[:limit]

    def count(self, filters: Sequence[Filter] = (), *, entity: str | None = None) -> int:
        """See IndexReader."""
        rows = (row for row in self.scan() if entity is None or row["entity"] == entity)
        return sum(1 for row in rows if matches(filters, row))

    def fingerprint(self) -> Fingerprint:
        """See IndexWriter."""
        return total(self.scan())

    def _of(self, entity: str, filters: Sequence[Filter] = ()) -> Iterator[Mapping[str, Any]]:
        return (row for row in self.scan() if row["entity"] == entity and matches(filters, row))


def total(rows: Iterable[Mapping[str, Any]]) -> Fingerprint:
    """The fingerprint of these rows."""
    hashes = [sum(row[name] for name in HASHES) for row in rows]
    return Fingerprint(len(hashes), sum(hashes) % MODULUS)


def found(row: Mapping[str, Any], score: float = 0.0, with_vectors: bool = False) -> Found:
    """A row of an index as an answer."""
    columns = {name: value for name, value in row.items() if name not in {"entity", "entity_id", "vector"}}
    vector = np.asarray(row["vector"], np.float32) if with_vectors else None
    return Found(row["entity"], row["entity_id"], score, columns, vector)


def _by_score(row: Found) -> tuple[float, str]:
    return -row.score, row.entity_id
