"""What has no vector yet under a model_key, and which vectors nobody needs any more, for embed and estimate alike.

Photos and passages on the one side and vectors on the other are two sets of ids. They are compared by buckets of the
id's hash: a bucket whose ids, hashed and combined by exclusive or, come to the same on both sides holds the same ids on
both, but for a chance of 2^-64. Only the buckets that differ are joined, and those in which a failure is to be tried
again. So there is no bookmark to lose, and the work follows what has changed and not what there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.job.retries import Retries, retries_of
from jobs.lakehouse.contracts import EMBEDDINGS, PASSAGES, PHOTOS
from udfs.outcome import Status

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from jobs.lakehouse.snapshot import Snapshot
    from jobs.lakehouse.tables import Lakehouse

KEY = "entity_id"
BUCKETS = 1 << 14
"""A hundred changes touch less than one row in a hundred."""
SOURCES = (PHOTOS.name, PASSAGES.name, EMBEDDINGS.name)
"""Tables that pending work is found in."""


@dataclass(frozen=True)
class Pending:
    """Rows of one entity that may be embedded. `total` counts them, with and without a vector; `differing` are the
    buckets in which ids and vectors are not the same, or a failure is to be tried again; of these there are `retried`.
    """

    entity: str
    source: "DataFrame"
    """All rows: entity_id, content, arrived_at."""
    stored: "DataFrame"
    """Of the entity's vectors, of any model: entity_id, model_key, attempts, and whether they failed and are due."""
    model_key: str
    total: int = 0
    differing: Sequence[int] = field(default=(), repr=False)
    retried: int = 0
    among: "DataFrame | None" = field(default=None, repr=False)
    """entity_id of the few rows that may be pending or stale, where these are known (followed.py)."""

    @property
    def differs(self) -> bool:
        """Whether anything may be pending or stale."""
        return bool(self.differing) or self.among is not None

    @property
    def keys(self) -> "DataFrame":
        """Of what lacks a vector entity_id and arrived_at."""
        done = self._within(self.stored).where(f"model_key = '{self.model_key}' AND NOT due")
        return self._within(self.source).select(KEY, "arrived_at").join(done.select(KEY), KEY, "left_anti")

    @property
    def tried(self) -> "DataFrame":
        """Of what is tried again entity_id, and how often it was tried before."""
        from pyspark.sql import functions as F

        failed = self._within(self.stored).where(f"model_key = '{self.model_key}' AND due")
        return failed.select(KEY, F.coalesce("attempts", F.lit(1)).alias("tried"))

    @property
    def stale(self) -> "DataFrame":
        """Keys of vectors, of any model, whose photo or passage is no longer there."""
        keys = self._within(self.stored).drop("due", "attempts")
        return keys.join(self._within(self.source).select(KEY), KEY, "left_anti")

    def current(self, lakehouse: "Lakehouse") -> "DataFrame":
        """entity_id of every row of the source as it is now, and not as it was pinned."""
        if self.entity == "photo":
            return embeddable_photos(lakehouse.read(PHOTOS.name)).select(KEY)
        return passages(lakehouse.read(PASSAGES.name)).select(KEY)

    def _within(self, rows: "DataFrame") -> "DataFrame":
        if self.among is not None:
            return rows.join(self.among.hint("broadcast"), KEY, "left_semi")
        if not self.differing:
            return rows.limit(0)
        if len(self.differing) > BUCKETS // 4:  # nearly all there is
            return rows
        return rows.where(_bucket().isin(list(self.differing)))


def entities_of(
    context: JobContext, snapshot: "Snapshot", model_key: str, *, has_text: bool, retries: Retries | None = None
) -> list[Pending]:
    """What may be embedded, photos first, with the vectors there are, not compared yet. A table that is absent, or that
    nobody has filled yet, is left out: vectors that came with a migration wait there for their passages. What failed is
    tried again as `retries` says; None: as the settings do."""
    settings = context.settings.embed
    sources: dict[str, DataFrame] = {}
    if settings.photos and snapshot.versions.get(PHOTOS.name):
        sources["photo"] = embeddable_photos(snapshot.read(PHOTOS.name))
    if settings.passages and has_text and snapshot.versions.get(PASSAGES.name):
        sources["passage"] = passages(snapshot.read(PASSAGES.name))
    due = (retries or retries_of(context, None)).due()
    vectors = snapshot.read(EMBEDDINGS.name).select(*EMBEDDINGS.key, "attempts", due.alias("due"))
    return [
        Pending(entity, source, vectors.where(f"entity = '{entity}'"), model_key) for entity, source in sources.items()
    ]


def pending_entities(
    context: JobContext, snapshot: "Snapshot", model_key: str, *, has_text: bool, retries: Retries | None = None
) -> list[Pending]:
    """The entities that may be embedded (see entities_of), compared with the vectors there are."""
    return compared(entities_of(context, snapshot, model_key, has_text=has_text, retries=retries))


def compared(entities: "Sequence[Pending]") -> "list[Pending]":
    """The same with their totals, and the buckets in which source and vectors (or what else is stored) differ."""
    told = _compared(entities) if entities else {}
    return [
        replace(rows, total=total, differing=differing, retried=retried)
        for rows in entities
        for total, differing, retried in [told.get(rows.entity, (0, (), 0))]
    ]


def _compared(entities: Sequence[Pending]) -> Mapping[str, tuple[int, Sequence[int], int]]:
    """Entity -> rows of its source, the buckets that differ, and the failures that are due; all in one query."""
    from functools import reduce

    from pyspark.sql import functions as F

    sides = []
    for rows in entities:
        done = rows.stored.where(F.col("model_key") == rows.model_key)
        source = rows.source.withColumn("due", F.lit(False))
        for side, wanted in ((source, 1), (done, 0)):
            sides.append(side.select(F.lit(rows.entity).alias("entity"), KEY, "due", F.lit(wanted).alias("wanted")))
    both = reduce(lambda one, other: one.union(other), sides)
    buckets = both.groupBy("entity", _bucket().alias("bucket")).agg(
        F.sum("wanted").alias("rows"), F.bit_xor(F.xxhash64(KEY)).alias("difference"), F.count_if("due").alias("due")
    )
    differs = F.when((F.col("difference") != 0) | (F.col("due") > 0), F.col("bucket"))
    told = buckets.groupBy("entity").agg(
        F.sum("rows").alias("rows"), F.collect_list(differs).alias("differing"), F.sum("due").alias("due")
    )
    return {row["entity"]: (int(row["rows"]), tuple(row["differing"]), int(row["due"])) for row in told.collect()}


def embeddable_photos(rows: "DataFrame", *more: str) -> "DataFrame":
    """Of the photos those that are fine, as a source: entity_id, content, arrived_at, and `more` columns."""
    fine = rows.where(f"status = '{Status.OK}'")
    return fine.selectExpr("photo_id AS entity_id", "jpeg AS content", "ingested_at AS arrived_at", *more)


def passages(rows: "DataFrame", *more: str) -> "DataFrame":
    """Passages as a source: entity_id, content, arrived_at, and `more` columns."""
    return rows.selectExpr("passage_id AS entity_id", "text AS content", "first_seen AS arrived_at", *more)


def _bucket() -> "Column":
    from pyspark.sql import functions as F

    # Another seed than the compared hash has, so that the bucket says nothing about it.
    return F.pmod(F.hash(KEY), F.lit(BUCKETS))
