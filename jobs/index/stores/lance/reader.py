"""Reading a Lance index: vectors, words, ids and claims, filtered exactly."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from jobs.index.filters import Filter, matches
from jobs.index.protocol import MENDED, Found, index_damaged
from jobs.index.scanning import found
from jobs.index.schemas import HASHES
from jobs.index.stores.lance.damage import missing_or_cut
from jobs.index.stores.lance.dataset import MODEL_KEY, dimension_of
from jobs.index.stores.lance.filter_sql import among, every, joined, literal, sql_of
from jobs.index.stores.lance.segments import has_vectors
from udfs.errors import IndexDamagedError
from udfs.functions.index_damage import is_damage, said

if TYPE_CHECKING:
    import pyarrow as pa
    from lance import LanceDataset
    from numpy.typing import NDArray

EXACT_ROWS = 20_000
"""Up to so many candidates every vector is compared; among more an IVF index finds some, which are compared exactly."""
PROBES = 64
CANDIDATES = 500
"""The least that the index has to propose: where hundreds of photos are nearly alike, one byte a number does not tell
them apart, and only comparing the vectors themselves does. Measured: tests/benchmarks/README.md."""
REFINE = 10
"""Candidates for each hit that is asked for, where these are more."""
GROWTH = 4
"""How many times more candidates are asked for when claims that no single filter excludes left too few hits."""
SCAN_ROWS = 8192
TRIES = 5
_P = ParamSpec("_P")
_R = TypeVar("_R")


def _asked(ask: "Callable[Concatenate[LanceReader, _P], _R]") -> "Callable[Concatenate[LanceReader, _P], _R]":
    """A question to the index. A purge takes the files of older versions away at once: a question in the middle of
    them is asked again. What is damaged is told in one line."""

    @wraps(ask)
    def asked(reader: "LanceReader", /, *arguments: _P.args, **options: _P.kwargs) -> _R:
        for attempt in range(1, TRIES + 1):
            try:
                return ask(reader, *arguments, **options)
            except IndexDamagedError:
                raise
            except BaseException as error:
                if not is_damage(error):
                    raise
                if attempt == TRIES or "not found" not in str(error).lower():
                    raise reader.damaged(error) from error
        raise AssertionError("unreachable")

    return asked


class LanceReader:
    """An IndexReader over a Lance dataset, each question over its newest version."""

    def __init__(self, location: str, dataset: "LanceDataset") -> None:
        self.location = location
        self.model_key = dataset.schema.metadata[MODEL_KEY.encode()].decode()
        self.dimension = dimension_of(dataset)
        self._dataset = dataset
        self._lock = threading.Lock()
        self._columns = [name for name in dataset.schema.names if name not in {*HASHES, "vector"}]

    @_asked
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
        where = self._where(filters, entity, exclude)
        exact = self._few(where if filters else None)

        def candidates(number: int) -> tuple[list[tuple[str, float]], bool]:
            best: dict[str, float] = {}
            full = False
            for vector in np.atleast_2d(np.asarray(vectors, np.float32)):
                compared = self._compared(vector, number, where, exact)
                full = full or len(compared) >= number
                for entity_id, score in compared:
                    best[entity_id] = max(score, best.get(entity_id, -2.0))
            return sorted(best.items(), key=lambda pair: (-pair[1], pair[0])), full

        return self._chosen(candidates, limit, filters, entity, with_vectors)

    @_asked
    def lexical(self, text: str, limit: int, filters: Sequence[Filter] = (), *, entity: str = "passage") -> list[Found]:
        """See IndexReader."""
        if not text.strip():
            return []
        where = self._where(filters, entity, ())

        def candidates(number: int) -> tuple[list[tuple[str, float]], bool]:
            table = (
                self._now()
                .scanner(
                    columns=["entity_id", "_score"],
                    full_text_query={"columns": ["text"], "query": text},
                    filter=where,
                    prefilter=True,
                    limit=number,
                )
                .to_table()
            )
            pairs = zip(table["entity_id"].to_pylist(), table["_score"].to_pylist(), strict=True)
            return sorted(pairs, key=lambda pair: (-pair[1], pair[0])), table.num_rows >= number

        return self._chosen(candidates, limit, filters, entity, False)

    @_asked
    def get(self, entity: str, ids: Sequence[str], *, with_vectors: bool = False) -> list[Found]:
        """See IndexReader."""
        rows = self._rows(entity, ids, with_vectors)
        return [found(rows[entity_id], 0.0, with_vectors) for entity_id in dict.fromkeys(ids) if entity_id in rows]

    @_asked
    def of_claim(self, claim_id: str, entity: str, *, with_vectors: bool = False) -> list[Found]:
        """See IndexReader."""
        where = every([f"array_has(claim_ids, {literal(claim_id)})", f"entity = {literal(entity)}"])
        rows = [found(row, 0.0, with_vectors) for row in self._scan(where, with_vectors)]
        return sorted(rows, key=lambda row: row.entity_id)

    @_asked
    def claims_like(self, prefix: str, limit: int) -> list[str]:
        """See IndexReader."""
        # Letters of either case, as a filter on claim_id compares; the separator binds the prefix to a beginning.
        begins = literal(f"\x1f{prefix.lower()}")
        scanned = self._now().to_batches(
            columns=["claim_ids"], filter=f"strpos({joined('claim_ids')}, {begins}) > 0", batch_size=SCAN_ROWS
        )
        known: set[str] = set()
        for batch in scanned:
            ids = batch.column(0).flatten().to_pylist()
            known.update(claim_id for claim_id in ids if claim_id.lower().startswith(prefix.lower()))
        return sorted(known)[:limit]

    @_asked
    def count(self, filters: Sequence[Filter] = (), *, entity: str | None = None) -> int:
        """See IndexReader."""
        where = sql_of(filters) if entity is None else self._where(filters, entity, ())
        return int(self._now().count_rows(filter=where))

    def damaged(self, error: BaseException) -> IndexDamagedError:
        """The one line for an error while the index was read: what is wrong with it, and what mends that."""
        try:
            seen = missing_or_cut(self._dataset)
        except BaseException as another:
            if not is_damage(another):
                raise
            seen = said(another)
        # What a listing does not show, a sync does not see either, before the contents are proved.
        mend = MENDED if seen else f"run claimlens verify; after it, {MENDED}"
        return index_damaged(self.location, seen or said(error), mend)

    def _now(self) -> "LanceDataset":
        """The newest version; what was cached of the indexes is kept."""
        import lance

        with self._lock:
            if self._dataset.latest_version != self._dataset.version:
                self._dataset = lance.dataset(self._dataset.uri, session=self._dataset.session())
            return self._dataset

    def _where(self, filters: Sequence[Filter], entity: str, exclude: Sequence[str]) -> str:
        conditions = [f"entity = {literal(entity)}"]
        condition = sql_of(filters)
        if condition:
            conditions.append(condition)
        if exclude:
            conditions.append(f"NOT ({among('entity_id', exclude)})")
        return every(conditions)

    def _few(self, where: str | None) -> bool:
        """Whether every candidate can be compared: the index's neighbourhoods hold few that pass a narrow filter."""
        dataset = self._now()
        if not has_vectors(dataset):
            return True
        return int(dataset.count_rows()) <= EXACT_ROWS or (
            where is not None and int(dataset.count_rows(filter=where)) <= EXACT_ROWS
        )

    def _compared(self, vector: "NDArray[np.float32]", number: int, where: str, exact: bool) -> list[tuple[str, float]]:
        asked: dict[str, Any] = {"column": "vector", "q": vector, "k": number, "metric": "cosine"}
        if exact:
            asked["use_index"] = False
        else:
            asked |= {"nprobes": PROBES, "refine_factor": max(REFINE, -(-CANDIDATES // number))}
        table = (
            self._now()
            .scanner(columns=["entity_id", "_distance"], nearest=asked, filter=where, prefilter=True)
            .to_table()
        )
        scores = (1.0 - table["_distance"].to_numpy()).tolist()
        return list(zip(table["entity_id"].to_pylist(), scores, strict=True))

    def _chosen(
        self,
        candidates: Callable[[int], tuple[list[tuple[str, float]], bool]],
        limit: int,
        filters: Sequence[Filter],
        entity: str,
        with_vectors: bool,
    ) -> list[Found]:
        """The first `limit` candidates that pass: more are asked for until there are enough, or no more."""
        number = limit
        rows: dict[str, Mapping[str, Any]] = {}
        while True:
            ranked, more = candidates(number)
            new = [entity_id for entity_id, _ in ranked if entity_id not in rows]
            rows |= self._rows(entity, new, with_vectors)
            passed = [
                found(rows[entity_id], score, with_vectors)
                for entity_id, score in ranked
                if matches(filters, rows[entity_id])
            ]
            if len(passed) >= limit or not more or not filters:
                return passed[:limit]
            number *= GROWTH

    def _rows(self, entity: str, ids: Sequence[str], with_vectors: bool) -> dict[str, Mapping[str, Any]]:
        rows: dict[str, Mapping[str, Any]] = {}
        for start in range(0, len(ids), SCAN_ROWS):
            where = every([among("entity_id", ids[start : start + SCAN_ROWS]), f"entity = {literal(entity)}"])
            rows |= {row["entity_id"]: row for row in self._scan(where, with_vectors)}
        return rows

    def _scan(self, where: str, with_vectors: bool) -> Iterable[Mapping[str, Any]]:
        columns = [*self._columns, *(["vector"] if with_vectors else [])]
        batch: pa.RecordBatch
        for batch in self._now().to_batches(columns=columns, filter=where, batch_size=SCAN_ROWS):
            yield from batch.to_pylist()
