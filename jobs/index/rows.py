"""What the tables say an index should hold: its rows as Spark frames, at pinned versions, and what changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.index.protocol import MODULUS, Fingerprint
from jobs.index.schemas import ASSESSMENT_COLUMNS, CLAIM_COLUMNS, CLAIM_FIELDS, HASHES, KEY, ROW_HASH, VECTOR_HASH
from jobs.lakehouse.current import gone_photos
from udfs.outcome import Status

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from jobs.lakehouse.snapshot import Snapshot
    from jobs.lakehouse.tables import Lakehouse

SOURCES = (
    "embeddings",
    "damage_predictions",
    "photos",
    "photo_files",
    "passages",
    "claims",
    "claim_photos",
    "claim_passages",
    "claim_assessments",
)
ENTITY_COLUMNS = ("labels", "severity", "part", "confidence", "decision", "captured_at", "text")
LABEL_COLUMNS = (*ENTITY_COLUMNS, "claim_ids", *CLAIM_FIELDS)
"""Every column but key, vector and hashes."""


@dataclass(frozen=True)
class Pinned:
    """The tables at fixed versions, for one model and one classifier (head_key None: nothing is classified)."""

    lakehouse: "Lakehouse"
    snapshot: "Snapshot"
    model_key: str
    head_key: str | None

    @property
    def versions(self) -> Mapping[str, int]:
        """The version of each source table."""
        return self.snapshot.versions

    def read(self, table: str) -> "DataFrame":
        """A source table at its pinned version."""
        return self.snapshot.read(table)


def index_rows(pinned: Pinned, *, keys: "DataFrame | None" = None, vectors: "DataFrame | None" = None) -> "DataFrame":
    """Whole rows of the index: photos that are ok and that a file still holds, and passages, that have a vector.

    Args:
        pinned: the tables.
        keys: only these entities (entity, entity_id): few, they travel to every task.
        vectors: (entity, entity_id, vector), in place of the table's.
    """
    from pyspark.sql import functions as F

    if vectors is None:
        vectors = _few(embedded(pinned).select(*KEY, "vector"), keys)
    hashed = vectors.select(*KEY, "vector", F.xxhash64(*KEY, "vector").alias(VECTOR_HASH))
    rows = hashed.join(label_rows(pinned, keys=keys), list(KEY))
    return rows.select(*KEY, "vector", *LABEL_COLUMNS, *HASHES)


def label_rows(pinned: Pinned, *, keys: "DataFrame | None" = None) -> "DataFrame":
    """The same without the vectors, of every entity, whether it has a vector or not."""
    from pyspark.sql import functions as F

    photos = pinned.read("photos").where(F.col("status") == Status.OK)
    photos = photos.join(gone_photos(pinned.read("photo_files")), "photo_id", "left_anti")
    photos = photos.select(F.lit("photo").alias("entity"), F.col("photo_id").alias("entity_id"), "captured_at")
    passages = pinned.read("passages").select(
        F.lit("passage").alias("entity"), F.col("passage_id").alias("entity_id"), "text"
    )
    entities = _few(photos.unionByName(passages, allowMissingColumns=True), keys)
    predicted = pinned.read("damage_predictions").where(
        (F.col("model_key") == pinned.model_key) & (F.col("head_key") == F.lit(pinned.head_key))
    )
    seen = predicted.select(
        F.lit("photo").alias("entity"),
        F.col("photo_id").alias("entity_id"),
        "labels",
        "severity",
        "part",
        F.col("confidence").cast("float").alias("confidence"),
        "decision",
    )
    rows = entities.join(_few(seen, keys), list(KEY), "left").join(_claims(pinned, keys), list(KEY), "left")
    for name in ("claim_ids", *CLAIM_FIELDS):
        rows = rows.withColumn(name, F.coalesce(F.col(name), F.array()))
    return with_row_hash(rows.select(*KEY, *LABEL_COLUMNS))


def with_row_hash(rows: "DataFrame") -> "DataFrame":
    """With the hash of every column but the vector. JSON tells nulls, lists and names apart; a bare hash does not."""
    from pyspark.sql import functions as F

    return rows.withColumn(ROW_HASH, F.xxhash64(F.to_json(F.struct(*KEY, *LABEL_COLUMNS))))


def with_hashes_of_contents(rows: "DataFrame") -> "DataFrame":
    """Rows with both hashes computed anew from what the row holds."""
    from pyspark.sql import functions as F

    return with_row_hash(rows.drop(*HASHES)).withColumn(VECTOR_HASH, F.xxhash64(*KEY, "vector"))


def embedded(pinned: Pinned) -> "DataFrame":
    """The rows of embeddings that have a vector of the model."""
    from pyspark.sql import functions as F

    rows = pinned.read("embeddings")
    return rows.where((F.col("model_key") == pinned.model_key) & (F.col("status") == Status.OK))


def expected(rows: "DataFrame") -> Fingerprint:
    """What an index of these rows says that it holds."""
    from pyspark.sql import functions as F

    sums = [F.sum(F.col(name).cast("decimal(38,0)")).alias(name) for name in HASHES]
    row = rows.agg(F.count(F.lit(1)).alias("rows"), *sums).first()
    if row is None:
        return Fingerprint(0, 0)
    return Fingerprint(int(row["rows"]), sum(int(row[name] or 0) for name in HASHES) % MODULUS)


def changed_keys(pinned: Pinned, since: Mapping[str, int]) -> "DataFrame":
    """Keys (entity, entity_id) of which something may have changed, and whether the vector may have: once each."""
    from pyspark.sql import functions as F

    def keys(changes: "DataFrame", entity: str | None, entity_id: str, *, vector: bool = False) -> "DataFrame":
        name = F.col("entity") if entity is None else F.lit(entity)
        return changes.select(
            name.alias("entity"), F.col(entity_id).alias("entity_id"), F.lit(vector).alias("vector_changed")
        )

    model = F.col("model_key") == pinned.model_key
    head = model & (F.col("head_key") == F.lit(pinned.head_key))
    found = keys(_changes(pinned, "embeddings", since).where(model), None, "entity_id", vector=True)
    found = found.union(keys(_changes(pinned, "damage_predictions", since).where(head), "photo", "photo_id"))
    found = found.union(keys(_changes(pinned, "photos", since), "photo", "photo_id"))
    found = found.union(keys(_changes(pinned, "photo_files", since), "photo", "photo_id"))
    found = found.union(keys(_changes(pinned, "passages", since), "passage", "passage_id"))
    found = found.union(keys(_changes(pinned, "claim_photos", since), "photo", "photo_id"))
    found = found.union(keys(_changes(pinned, "claim_passages", since), "passage", "passage_id"))
    claims = _changes(pinned, "claims", since).select("claim_id")
    claims = claims.union(_changes(pinned, "claim_assessments", since).where(head).select("claim_id"))
    claims = claims.distinct().hint("broadcast")
    found = found.union(keys(pinned.read("claim_photos").join(claims, "claim_id", "left_semi"), "photo", "photo_id"))
    of_texts = pinned.read("claim_passages").join(claims, "claim_id", "left_semi")
    found = found.union(keys(of_texts, "passage", "passage_id"))
    return found.groupBy(*KEY).agg(F.max("vector_changed").alias("vector_changed"))


def changed_vectors(pinned: Pinned, since: Mapping[str, int]) -> "DataFrame":
    """The vectors (entity, entity_id, vector) that the change feed of embeddings brought and did not take again."""
    from pyspark.sql import functions as F

    came = F.col("_change_type").isin("insert", "update_postimage")
    last = F.max_by(F.struct(came.alias("came"), "status", "vector"), F.struct("_commit_version", came))
    changes = _changes(pinned, "embeddings", since).where(F.col("model_key") == pinned.model_key)
    newest = changes.groupBy(*KEY).agg(last.alias("last"))
    there = F.col("last.came") & (F.col("last.status") == Status.OK)
    return newest.where(there).select(*KEY, F.col("last.vector").alias("vector"))


def _claims(pinned: Pinned, keys: "DataFrame | None") -> "DataFrame":
    """For each entity its claims in the order of their numbers, as one list per column."""
    from pyspark.sql import functions as F

    links = pinned.read("claim_photos").select(
        F.lit("photo").alias("entity"), F.col("photo_id").alias("entity_id"), "claim_id"
    )
    texts = pinned.read("claim_passages").select(
        F.lit("passage").alias("entity"), F.col("passage_id").alias("entity_id"), "claim_id"
    )
    links = _few(links.union(texts), keys).distinct()
    claims = pinned.read("claims").select("claim_id", *(column.name for column in CLAIM_COLUMNS))
    assessed = pinned.read("claim_assessments").where(
        (F.col("model_key") == pinned.model_key) & (F.col("head_key") == F.lit(pinned.head_key))
    )
    assessed = assessed.select("claim_id", *(column.name for column in ASSESSMENT_COLUMNS))
    if keys is not None:
        needed = links.select("claim_id").distinct().hint("broadcast")
        claims, assessed = (rows.join(needed, "claim_id", "left_semi") for rows in (claims, assessed))
    rows = links.join(claims, "claim_id", "left").join(assessed, "claim_id", "left")
    gathered = rows.groupBy(*KEY).agg(
        F.sort_array(F.collect_list(F.struct("claim_id", *CLAIM_FIELDS))).alias("gathered")
    )
    columns: list[Column] = [F.col(f"gathered.{name}").alias(name) for name in CLAIM_FIELDS]
    return gathered.select(*KEY, F.col("gathered.claim_id").alias("claim_ids"), *columns)


def _few(rows: "DataFrame", keys: "DataFrame | None") -> "DataFrame":
    return rows if keys is None else rows.join(keys.select(*KEY).hint("broadcast"), list(KEY), "left_semi")


def _changes(pinned: Pinned, table: str, since: Mapping[str, int]) -> "DataFrame":
    from pyspark.sql import functions as F

    # Whatever was committed after the pinned version belongs to the next sync.
    changes = pinned.snapshot.changes(table, since.get(table, -1))
    if changes is not None:
        return changes
    empty = pinned.read(table).limit(0)
    return empty.select("*", F.lit("").alias("_change_type"), F.lit(0).alias("_commit_version"))
