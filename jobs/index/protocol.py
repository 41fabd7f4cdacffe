"""What a vector index must be able to do, whatever keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from udfs.errors import IndexDamagedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

    from jobs.index.filters import Filter
    from jobs.settings.sections import IndexSettings

MODULUS = 1 << 64
MENDED = "claimlens sync-index builds it anew"


@dataclass(frozen=True)
class Fingerprint:
    """Number of rows, and the sum modulo 2^64 of their hashes: the same in any order, another when a row differs."""

    rows: int
    checksum: int

    def __str__(self) -> str:
        return f"{self.rows} rows, checksum {self.checksum:016x}"

    def __add__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(self.rows + other.rows, (self.checksum + other.checksum) % MODULUS)

    def __sub__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(self.rows - other.rows, (self.checksum - other.checksum) % MODULUS)


def index_damaged(location: str, what: str, mend: str = MENDED) -> IndexDamagedError:
    """The one line for an index that cannot be read: what is wrong with it, and what mends that."""
    return IndexDamagedError(f"The index {location} is damaged ({what}): {mend}.")


@dataclass(frozen=True)
class Found:
    """A row of the index. `score` is the cosine (nearest) or the text score (lexical), 0 where nothing was compared.

    `columns` are the row's own: a photo's labels, severity, part, confidence, decision and captured_at, a passage's
    text, and lists that run along `claim_ids`, one value per claim, for every column of a claim and of its assessment.
    `vector` is there when it was asked for.
    """

    entity: str
    entity_id: str
    score: float
    columns: Mapping[str, Any] = field(repr=False)
    vector: "NDArray[np.float32] | None" = field(default=None, repr=False, compare=False)

    @property
    def claims(self) -> tuple[Mapping[str, Any], ...]:
        """The row's claims, each with its columns by name and its number as `claim_id`."""
        return claims_of(self.columns)


def claims_of(columns: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The claims of an index row, each with its columns by name and its number as `claim_id`."""
    from jobs.index.schemas import CLAIM_FIELDS

    ids = columns.get("claim_ids") or []
    held = {name: columns.get(name) or [None] * len(ids) for name in CLAIM_FIELDS}
    return tuple(
        {"claim_id": claim_id, **{name: values[place] for name, values in held.items()}}
        for place, claim_id in enumerate(ids)
    )


@dataclass(frozen=True)
class Applied:
    """What a write did to the index. Rows that were the same already are `unchanged`; `missing` are rows that
    a relabelling named and the index does not hold.

    `removed` and `written` are the fingerprints of the rows that went and of those that came, so that
    index before - removed + written = index after.
    """

    added: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    removed: Fingerprint = Fingerprint(0, 0)
    written: Fingerprint = Fingerprint(0, 0)
    missing: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: "Applied") -> "Applied":
        return Applied(
            self.added + other.added,
            self.changed + other.changed,
            self.deleted + other.deleted,
            self.unchanged + other.unchanged,
            self.removed + other.removed,
            self.written + other.written,
            self.missing + other.missing,
        )


class IndexReader(Protocol):
    """One index of one model_key, for searches. One row per entity (a photo or a passage) that has a vector.

    Every question is asked of the index as it is at that moment; several threads may ask at the same time. An index
    that cannot be read raises IndexDamagedError, with the way out.
    """

    model_key: str
    dimension: int
    location: str

    def nearest(
        self,
        vectors: "NDArray[np.float32]",
        limit: int,
        filters: "Sequence[Filter]" = (),
        *,
        entity: str = "photo",
        exclude: Sequence[str] = (),
        with_vectors: bool = False,
    ) -> list[Found]:
        """The best entities that pass all filters, best first.

        Args:
            vectors: unit vectors [n, d]; an entity's score is its best cosine over them, exact whatever the index.
            limit: entities at most.
            filters: see jobs.index.filters.matches: one claim of the entity must pass all filters on claims.
            entity: photo or passage.
            exclude: ids that may not answer.
            with_vectors: give each row's vector too.
        """
        ...

    def lexical(
        self, text: str, limit: int, filters: "Sequence[Filter]" = (), *, entity: str = "passage"
    ) -> list[Found]:
        """The entities whose text fits the words best (BM25), best first; none where no row has text."""
        ...

    def get(self, entity: str, ids: Sequence[str], *, with_vectors: bool = False) -> list[Found]:
        """The rows of these ids that are there, in the order of `ids`."""
        ...

    def of_claim(self, claim_id: str, entity: str, *, with_vectors: bool = False) -> list[Found]:
        """The rows of a claim, in the order of their ids."""
        ...

    def claims_like(self, prefix: str, limit: int) -> list[str]:
        """Claim ids that begin with `prefix`, sorted, at most `limit`. Claims without any photo or passage that has a
        vector are not in an index: nothing can be compared with them."""
        ...

    def count(self, filters: "Sequence[Filter]" = (), *, entity: str | None = None) -> int:
        """Number of rows that pass. Of several filters on claims each may be passed by another claim of the row."""
        ...


class IndexWriter(Protocol):
    """The same index for the one job that writes it. Frames have the columns of jobs.index.rows; large ones are written
    by the executors, small ones by the driver. Whatever has to read an index that cannot be read raises
    IndexDamagedError; only `replace` always works."""

    model_key: str
    dimension: int
    location: str

    def replace(self, rows: "DataFrame") -> Fingerprint:
        """Put these rows in the place of all: readers see the old index or the new one. Gives what was written."""
        ...

    def apply(self, upserts: "DataFrame", deleted_keys: "DataFrame") -> Applied:
        """Insert new rows, replace those whose contents differ, delete by key (entity, entity_id); safe to repeat."""
        ...

    def relabel(self, rows: "DataFrame") -> Applied:
        """Give rows that are there new values of the columns of `rows` (key, row_hash and any but the vector).

        The vectors are not written again, but for a few rows' sake.
        """
        ...

    def fingerprint(self) -> Fingerprint:
        """What the index says it holds: rows and the sum of their stored hashes."""
        ...

    def contents(self, spark: "SparkSession") -> "DataFrame":
        """All rows with their vectors, read by the executors from what is stored: for a proof by contents."""
        ...

    def owe_purge(self) -> None:
        """Have the next `optimise` take away also what a run that was killed may have left."""
        ...

    def optimise(self, spark: "SparkSession") -> None:
        """Compact, index what has grown, drop old versions; deleted rows and claims that went leave no bytes behind."""
        ...

    def version(self) -> str | None:
        """Names the index's present state, another after every write; None when there is no index, or where a store
        cannot tell: then its fingerprint is asked."""
        ...

    def damage(self) -> str | None:
        """What can be seen to be wrong with the index at no more cost than a listing of it; None where nothing can."""
        ...


class IndexStore(Protocol):
    """A kind of index, found by name: one of jobs.index.stores, or an entry point of the group `claimlens.indexes`."""

    def open_reader(self, settings: "IndexSettings", model_key: str) -> IndexReader:
        """The index of a model.

        Raises:
            InputError: there is no index yet.
            IndexMismatchError: there is one, of another model_key.
        """
        ...

    def open_writer(self, settings: "IndexSettings", model_key: str, dimension: int) -> IndexWriter:
        """The index of a model, to be made by the first write. Creates nothing.

        Raises:
            IndexMismatchError: what is there belongs to another model_key or dimension.
        """
        ...
