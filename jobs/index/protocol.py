"""What a vector index must be able to do, whatever keeps it."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

VECTORS = "vectors"
CLAIMS = "claims"
INDEX_TABLES = (VECTORS, CLAIMS)
MODULUS = 1 << 64


@dataclass(frozen=True)
class Fingerprint:
    """Number of rows, and the sum modulo 2^64 of their hashes: the same in any order, another when a row differs."""

    rows: int
    checksum: int

    def __str__(self) -> str:
        return f"{self.rows} rows, checksum {self.checksum:016x}"

    def __add__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(self.rows + other.rows, (self.checksum + other.checksum) % MODULUS)


@dataclass(frozen=True)
class Written:
    """Rows that an upsert added, and rows whose contents it changed; rows that were the same already are neither."""

    added: int = 0
    changed: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.added + other.added, self.changed + other.changed)


class VectorIndex(Protocol):
    """One index of one model_key. Rows come and go as Arrow, in the schemas of jobs.index.rows.

    It holds two tables: `vectors`, with one row per entity (a photo or a narrative), and `claims`, with one row per
    claim and photo, which turns a filter on claims into photos before vectors are compared.
    """

    model_key: str
    dimension: int
    location: str

    def writing(self, wait_seconds: float = ...) -> AbstractContextManager[None]:
        """Hold the index as its only writer; raises ClaimlensError when another writer does not finish in time."""
        ...

    def mark(self, unfinished: str | None) -> None:
        """Write down that a sync began (its run id) or that the index is whole (None)."""
        ...

    def unfinished(self) -> str | None:
        """Run id of the sync that began and did not end, or None."""
        ...

    def upsert(self, table: str, rows: "pa.Table") -> Written:
        """Insert new keys, replace rows of known keys whose row_hash differs."""
        ...

    def replace(self, table: str, batches: "Iterable[pa.RecordBatch]") -> int:
        """Replace all rows in one step: readers see the old rows or the new ones. Returns the number of rows."""
        ...

    def delete(self, table: str, keys: "pa.Table") -> int:
        """Delete by key; keys that are not there are fine. Returns the number of rows that were."""
        ...

    def count(self, table: str) -> int:
        """Number of rows."""
        ...

    def fingerprint(self, table: str) -> Fingerprint:
        """Rows and order-free checksum, from what is stored now."""
        ...

    def optimise(self, *, purge: bool = False) -> None:
        """Compact, index what has grown large, and, with `purge`, leave no trace of deleted rows on disk."""
        ...

    def nearest(
        self, vector: "np.ndarray", limit: int, *, where: str | None = None, columns: tuple[str, ...] = ()
    ) -> "pa.Table":
        """The nearest rows that pass the filter, best first, with their cosine in the column `score`."""
        ...

    def scan(
        self, table: str, *, where: str | None = None, columns: tuple[str, ...] = (), limit: int | None = None
    ) -> "Iterator[pa.RecordBatch]":
        """Rows that pass the filter, in portions."""
        ...
