"""What the tables say an index should hold: its rows as Spark frames, at pinned versions, and what changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.index.protocol import MODULUS, VECTORS, Fingerprint
from jobs.index.schemas import ASSESSMENT_COLUMNS, CLAIM_COLUMNS, KEYS, ROW_HASH
from udfs.outcome import Status

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from jobs.lakehouse.tables import Lakehouse

SOURCES = (
    "embeddings",
    "damage_predictions",
    "photos",
    "passages",
    "claims",
    "claim_photos",
    "claim_passages",
    "claim_assessments",
)
NO_PHOTO = ""
"""photo_id of a claim without photos and passages: it can still be found by its columns."""


@dataclass(frozen=True)
class Pinned:
    """The tables at fixed versions, for one model and one classifier (head_key None: nothing was classified)."""

    lakehouse: "Lakehouse"
    versions: Mapping[str, int]
    model_key: str
    head_key: str | None

    def read(self, table: str) -> "DataFrame":
        """A source table at its pinned version."""
        return self.lakehouse.read(table, self.versions[table])


def newest_head(lakehouse: "Lakehouse", version: int, model_key: str, taxonomy: str) -> str | None:
    """The classifier that predicted last for this model under the named taxonomy, else under any; None without one."""
    from pyspark.sql import functions as F

    predictions = lakehouse.read("damage_predictions", version).where(F.col("model_key") == model_key)
    heads = predictions.groupBy("head_key", "taxonomy").agg(F.max("predicted_at").alias("last")).collect()
    ranked = sorted(heads, key=lambda row: (row["taxonomy"] == taxonomy, row["last"], row["head_key"]))
    return str(ranked[-1]["head_key"]) if ranked else None


def vector_rows(pinned: Pinned, *, full: bool, keys: "DataFrame | None" = None) -> "DataFrame":
    """Rows of the index table `vectors`: photos that are ok, and passages, that have a vector.

    Without `full` only keys and row_hash, which needs neither vectors nor photos. With `keys` only those entities.
    A row's hash covers everything but the vector itself, which model_key and entity_id decide, and the thumbnail,
    which photo_id decides.
    """
    from pyspark.sql import functions as F

    embedded = pinned.read("embeddings").where(
        (F.col("model_key") == pinned.model_key) & (F.col("status") == Status.OK)
    )
    if keys is not None:
        embedded = embedded.join(keys, list(KEYS[VECTORS]), "left_semi")
    wanted = ["entity", "entity_id", *(["vector"] if full else [])]
    photos = pinned.read("photos").where(F.col("status") == Status.OK)
    photos = photos.select(
        F.col("photo_id").alias("entity_id"), "captured_at", *([F.col("jpeg").alias("thumbnail")] if full else [])
    )
    predicted = pinned.read("damage_predictions").where(
        (F.col("model_key") == pinned.model_key) & (F.col("head_key") == F.lit(pinned.head_key))
    )
    predicted = predicted.select(
        F.col("photo_id").alias("entity_id"), "labels", "severity", "part", "confidence", "decision"
    )
    of_photos = embedded.where(F.col("entity") == "photo").select(*wanted)
    of_photos = of_photos.join(photos, "entity_id").join(predicted, "entity_id", "left")
    passages = pinned.read("passages").select(F.col("passage_id").alias("entity_id"))
    of_texts = embedded.where(F.col("entity") == "passage").select(*wanted).join(passages, "entity_id")
    rows = of_photos.unionByName(of_texts, allowMissingColumns=True)
    hashed = ("entity", "entity_id", "labels", "severity", "part", "confidence", "decision", "captured_at")
    rows = rows.withColumn(ROW_HASH, _hash_of(hashed))
    return rows if full else rows.select(*KEYS[VECTORS], ROW_HASH)


def with_thumbnails(rows: "DataFrame") -> "DataFrame":
    """The full vector rows with small JPEGs in the place of the photos, made on the executors."""
    from udfs.functions.thumbnails import thumbnail_batches

    return rows.mapInArrow(thumbnail_batches("thumbnail"), rows.schema)


def claim_rows(pinned: Pinned, *, claim_ids: "DataFrame | None" = None) -> "DataFrame":
    """Rows of the index table `claims`: each link of a claim to a photo or passage (both in photo_id), and each claim
    without any."""
    from pyspark.sql import functions as F

    claims = pinned.read("claims").select("claim_id", *(column.name for column in CLAIM_COLUMNS))
    links = pinned.read("claim_photos").select("claim_id", "photo_id")
    texts = pinned.read("claim_passages").select("claim_id", F.col("passage_id").alias("photo_id")).distinct()
    links = links.union(texts)
    assessed = pinned.read("claim_assessments").where(
        (F.col("model_key") == pinned.model_key) & (F.col("head_key") == F.lit(pinned.head_key))
    )
    assessed = assessed.select("claim_id", *(column.name for column in ASSESSMENT_COLUMNS))
    if claim_ids is not None:
        claims = claims.join(claim_ids, "claim_id", "left_semi")
        links = links.join(claim_ids, "claim_id", "left_semi")
    rows = claims.join(links, "claim_id", "full_outer").join(assessed, "claim_id", "left")
    rows = rows.withColumn("photo_id", F.coalesce("photo_id", F.lit(NO_PHOTO)))
    return rows.withColumn(ROW_HASH, _hash_of(tuple(rows.columns)))


def expected(rows: "DataFrame") -> Fingerprint:
    """What the index's fingerprint must be, computed by Spark from the tables."""
    from pyspark.sql import functions as F

    total = F.sum(F.col(ROW_HASH).cast("decimal(20,0)")).alias("total")
    row = rows.agg(F.count(F.lit(1)).alias("rows"), total).first()
    return Fingerprint(int(row["rows"]), int(row["total"] or 0) % MODULUS) if row else Fingerprint(0, 0)


def changed_entities(pinned: Pinned, since: Mapping[str, int]) -> "DataFrame":
    """Keys (entity, entity_id) that the change feeds name, once each."""
    from pyspark.sql import functions as F

    def keys(table: str, entity: "Column", entity_id: str, condition: "Column | None" = None) -> "DataFrame":
        changes = _changes(pinned, table, since)
        if condition is not None:
            changes = changes.where(condition)
        return changes.select(entity.alias("entity"), F.col(entity_id).alias("entity_id"))

    model = F.col("model_key") == pinned.model_key
    found = keys("embeddings", F.col("entity"), "entity_id", model)
    found = found.union(keys("damage_predictions", F.lit("photo"), "photo_id", model))
    found = found.union(keys("photos", F.lit("photo"), "photo_id"))
    return found.union(keys("passages", F.lit("passage"), "passage_id")).distinct()


def changed_claims(pinned: Pinned, since: Mapping[str, int]) -> "DataFrame":
    """Keys (claim_id, photo_id) that may have come, changed or gone; each changed claim also without a photo."""
    from pyspark.sql import functions as F

    links = _changes(pinned, "claim_photos", since).select("claim_id", "photo_id")
    links = links.union(_changes(pinned, "claim_passages", since).select("claim_id", "passage_id"))
    model = F.col("model_key") == pinned.model_key
    claims = _changes(pinned, "claims", since).select("claim_id")
    claims = claims.union(_changes(pinned, "claim_assessments", since).where(model).select("claim_id"))
    claims = claims.union(links.select("claim_id"))
    return links.union(claims.select("claim_id", F.lit(NO_PHOTO).alias("photo_id"))).distinct()


def _changes(pinned: Pinned, table: str, since: Mapping[str, int]) -> "DataFrame":
    from pyspark.sql import functions as F

    changes = pinned.lakehouse.changes(table, since[table])
    if changes is None:
        return pinned.read(table).limit(0)
    # Whatever was committed after the pinned version belongs to the next sync.
    return changes.where(F.col("_commit_version") <= pinned.versions[table])


def _hash_of(columns: tuple[str, ...]) -> "Column":
    from pyspark.sql import functions as F

    # xxhash64 passes over nulls; the flags keep (null, 'a') and ('a', null) apart.
    parts = [part for name in columns for part in (F.col(name), F.col(name).isNull())]
    return F.xxhash64(*parts)
