"""The one place that reads the index: filters first, exactly, then vectors; and the claims of what was found."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.retrieval.fuse import Candidate
from jobs.retrieval.hits import CLAIMS_SHOWN, Hit

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from jobs.index.filters import Filter
    from jobs.index.stores.lance import LanceStore

LISTED_IDS = 5000
"""Up to so many candidates are listed in the index's own filter; more are compared here, portion by portion."""
HIT_COLUMNS = ("entity_id", "labels", "severity", "part", "confidence", "decision", "captured_at")


def nearest(
    index: "LanceStore",
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
    where = [f"entity = '{entity}'", *(_sql(entry) for entry in filters if not entry.on_claims)]
    if excluded:
        where.append(f"NOT ({_among('entity_id', excluded)})")
    conditions = _on_claims(filters)
    if not conditions:
        return _ranked(index, vectors, where, limit), None
    chosen = _chosen(index, conditions)
    if not len(chosen):
        return [], 0
    if len(chosen) > LISTED_IDS:
        return _compared(index, vectors, where, chosen, limit), len(chosen)
    listed = [*where, _among("entity_id", tuple(chosen.to_pylist()))]
    return _ranked(index, vectors, listed, limit), len(chosen)


def hits(
    index: "LanceStore", candidates: Sequence[Candidate], entity: str, filters: "Sequence[Filter]"
) -> tuple[Hit, ...]:
    """The candidates with their claims, those that pass the filters first."""
    if not candidates:
        return ()
    among = _among("photo_id", tuple(candidate.entity_id for candidate in candidates))
    columns = ("claim_id", "photo_id", "reported_severity", "narrative")
    linked = _rows(index.scan("claims", where=among, columns=columns))
    passing = {row["claim_id"] for row in linked}
    conditions = _on_claims(filters)
    if conditions:
        passed = index.scan("claims", where=_all([among, *conditions]), columns=("claim_id",))
        passing = {row["claim_id"] for row in _rows(passed)}
    claims: dict[str, dict[str, dict[str, Any]]] = {}
    for row in sorted(linked, key=lambda row: (row["claim_id"] not in passing, row["claim_id"])):
        claims.setdefault(row["photo_id"], {})[row["claim_id"]] = row
    return tuple(
        _hit(rank, candidate, claims.get(candidate.entity_id, {}), entity)
        for rank, candidate in enumerate(candidates, start=1)
    )


def vectors_of(index: "LanceStore", entity: str, ids: Sequence[str]) -> "NDArray[np.float32]":
    """The vectors of these entities [n, d], in the order of their ids; those without one are left out."""
    import numpy as np

    where = _all([f"entity = '{entity}'", _among("entity_id", tuple(ids))])
    found = _rows(index.scan("vectors", where=where, columns=("entity_id", "vector")))
    found.sort(key=lambda row: str(row["entity_id"]))
    return np.asarray([row["vector"] for row in found], dtype=np.float32).reshape(len(found), -1)


def ids_of_claim(index: "LanceStore", claim_id: str, entity: str) -> tuple[str, ...]:
    """The ids of a claim's photos, or of its passages, that the index has; sorted."""
    linked = _rows(index.scan("claims", where=f"claim_id = {_quoted(claim_id)}", columns=("photo_id",)))
    where = _all([f"entity = '{entity}'", _among("entity_id", tuple(row["photo_id"] for row in linked))])
    return tuple(sorted(row["entity_id"] for row in _rows(index.scan("vectors", where=where, columns=("entity_id",)))))


def claims_beginning_with(index: "LanceStore", prefix: str, most: int | None = None) -> list[str]:
    """The numbers of the claims that begin so, whatever their case; sorted, at most about `most` of them."""
    where = f"starts_with(lower(claim_id), {_quoted(prefix.lower())})" if prefix else None
    return sorted(
        {row["claim_id"] for row in _rows(index.scan("claims", where=where, columns=("claim_id",), limit=most))}
    )


def _chosen(index: "LanceStore", conditions: Sequence[str]) -> "pa.Array":
    """Ids of the photos and passages of the claims that pass the filters, sorted, once each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    scanned = index.scan("claims", where=_all(conditions), columns=("photo_id",))
    found = [batch.column("photo_id") for batch in scanned]
    ids = pc.unique(pa.chunked_array(found, pa.string()))
    return ids.filter(pc.not_equal(ids, "")).sort()


def _ranked(index: "LanceStore", vectors: "NDArray[np.float32]", where: Sequence[str], limit: int) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for vector in vectors:
        for row in index.nearest(vector, limit, where=_all(where), columns=HIT_COLUMNS).to_pylist():
            found = Candidate(row["entity_id"], float(row["score"]), row)
            if found.entity_id not in best or best[found.entity_id].score < found.score:
                best[found.entity_id] = found
    return sorted(best.values(), key=lambda found: (-found.score, found.entity_id))[:limit]


def _compared(
    index: "LanceStore", vectors: "NDArray[np.float32]", where: Sequence[str], chosen: "pa.Array", limit: int
) -> list[Candidate]:
    """The best among very many chosen ids, exactly, a portion at a time."""
    import numpy as np
    import pyarrow.compute as pc

    best: list[tuple[float, str]] = []
    for batch in index.scan("vectors", where=_all(where), columns=("entity_id", "vector")):
        kept = batch.filter(pc.is_in(batch.column("entity_id"), value_set=chosen))
        if not kept.num_rows:
            continue
        matrix = kept.column("vector").flatten().to_numpy(zero_copy_only=False).reshape(kept.num_rows, -1)
        scores = (matrix @ vectors.T).max(axis=1)
        top = np.argsort(-scores, kind="stable")[:limit]
        ids = kept.column("entity_id").take(top).to_pylist()
        best = sorted([*best, *zip((-scores[top]).tolist(), ids, strict=True)])[:limit]
    among = _all([where[0], _among("entity_id", tuple(key for _, key in best))])
    rows = {row["entity_id"]: row for row in _rows(index.scan("vectors", where=among, columns=HIT_COLUMNS))}
    return [Candidate(key, -negative, rows[key]) for negative, key in best if key in rows]


def _hit(rank: int, candidate: Candidate, claims: Mapping[str, Mapping[str, Any]], entity: str) -> Hit:
    row = candidate.row
    reported = sorted({claim["reported_severity"] for claim in claims.values() if claim["reported_severity"]})
    return Hit(
        rank=rank,
        score=candidate.score,
        entity=entity,
        entity_id=candidate.entity_id,
        claim_ids=tuple(claims)[:CLAIMS_SHOWN],
        claims=len(claims),
        labels=tuple(row["labels"] or ()),
        severity=row["severity"],
        part=row["part"],
        confidence=None if row["confidence"] is None else round(float(row["confidence"]), 4),
        decision=row["decision"],
        reported_severities=tuple(reported),
        captured_at=row["captured_at"].isoformat(sep=" ") if row["captured_at"] else None,
        text=None if entity == "photo" else next(iter(claims.values()), {}).get("narrative"),
    )


def _on_claims(filters: "Sequence[Filter]") -> list[str]:
    return [_sql(entry) for entry in filters if entry.on_claims]


def _rows(batches: "Iterable[pa.RecordBatch]") -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(f"({condition})" for condition in conditions)


def _among(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(_quoted(value) for value in values)})" if values else "false"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sql(entry: "Filter") -> str:
    from jobs.index.stores.lance.filter_sql import on_value

    return on_value(entry, "labels" if entry.column == "damage" else entry.column)
