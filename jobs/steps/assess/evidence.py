"""What the tables say of claims, and the verdicts on it: rows of claim_assessments, for all claims or for some."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.job.head import CurrentHead, of_head
from jobs.lakehouse.snapshot import Snapshot
from udfs.heads.severity import LEVELS
from udfs.outcome import Status

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SOURCES = ("claims", "claim_photos", "photos", "embeddings", "damage_predictions")


def assessments_frame(
    context: JobContext,
    snapshot: Snapshot,
    head: CurrentHead,
    changed: "DataFrame | None" = None,
    *,
    few: bool = False,
) -> "DataFrame":
    """One row of claim_assessments for each claim of the snapshot, or for those of `changed` (claim_id) alone.

    Args:
        context: names rules, clock and run.
        snapshot: the tables that are read.
        head: whose predictions count.
        changed: claims (claim_id) to look at; None: all.
        few: `changed` and its photos are few enough to travel to every task.
    """
    from pyspark.sql import functions as F

    from udfs.functions.assess import VERDICT_FIELDS, assess_batches

    evidence = _evidence(snapshot, head, changed.hint("broadcast") if changed is not None and few else changed, few)
    schema = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in evidence.schema.fields)
    judged = evidence.mapInArrow(assess_batches(context.settings.assess.severity_map), f"{schema}, {VERDICT_FIELDS}")
    return judged.select(
        "*",
        F.lit(head.model_key).alias("model_key"),
        F.lit(head.head_key).alias("head_key"),
        F.lit(context.clock()).alias("assessed_at"),
        F.lit(context.run_id).alias("run_id"),
    )


def changed_claims(snapshot: Snapshot, head: CurrentHead, changes: "Mapping[str, DataFrame]") -> "DataFrame":
    """Claims (claim_id, once each) whose assessment may have become another one, those that are gone included.

    Args:
        snapshot: the tables as they are now.
        head: whose predictions count.
        changes: rows of the sources' change feeds, of the tables that have changed. A row's old and new state are both
            in its feed, so that a link that is gone leads to its claim, and to the claims that shared its photo.
    """
    from pyspark.sql import functions as F

    of_photos = []
    if "photos" in changes:
        of_photos.append(changes["photos"].select("photo_id"))
    if "embeddings" in changes:
        failed = (F.col("entity") == "photo") & (F.col("status") == str(Status.FAILED))
        rows = changes["embeddings"].where(failed & (F.col("model_key") == head.model_key))
        of_photos.append(rows.select(F.col("entity_id").alias("photo_id")))
    if "damage_predictions" in changes:
        of_photos.append(of_head(changes["damage_predictions"], head).select("photo_id"))
    of_claims = []
    if "claims" in changes:
        of_claims.append(changes["claims"].select("claim_id"))
    if "claim_photos" in changes:
        of_claims.append(changes["claim_photos"].select("claim_id"))
        of_photos.append(changes["claim_photos"].select("photo_id"))
    if of_photos:
        photos = of_photos[0]
        for more in of_photos[1:]:
            photos = photos.union(more)
        links = snapshot.read("claim_photos").select("claim_id", "photo_id")
        of_claims.append(links.join(photos.distinct(), "photo_id", "left_semi").select("claim_id"))
    claims = of_claims[0]
    for more in of_claims[1:]:
        claims = claims.union(more)
    return claims.distinct()


def _evidence(snapshot: Snapshot, head: CurrentHead, changed: "DataFrame | None", few: bool) -> "DataFrame":
    """Per claim: claim_id, damages, and the columns of udfs.assessment.Evidence."""
    from pyspark.sql import functions as F

    claims = snapshot.read("claims").select("claim_id", "reported_severity")
    if changed is not None:
        claims = claims.join(changed, "claim_id", "left_semi")
    seen = _photos_seen(snapshot, head, changed, few)
    by_claim = seen.groupBy("claim_id").agg(
        F.count(F.lit(1)).cast("int").alias("photos"),
        F.count_if("unusable").cast("int").alias("photos_unusable"),
        F.count("level").cast("int").alias("photos_classified"),
        # A struct compares field by field: the worst level, and whether one photo of that level is accepted.
        F.max(F.when(F.col("level").isNotNull(), F.struct("level", "accepted"))).alias("worst"),
        F.bool_or(~F.col("accepted")).alias("any_review"),
        F.bool_or("shared").alias("shared"),
        F.array_sort(F.array_distinct(F.flatten(F.collect_set("damages")))).alias("damages"),
    )
    joined = claims.join(by_claim, "claim_id", "left")
    none = F.lit(False)
    return joined.select(
        "claim_id",
        F.coalesce("damages", F.array().cast("array<string>")).alias("damages"),
        "reported_severity",
        *(F.coalesce(name, F.lit(0)).alias(name) for name in ("photos", "photos_unusable", "photos_classified")),
        F.col("worst.level").alias("worst_level"),
        F.coalesce("worst.accepted", none).alias("worst_accepted"),
        F.coalesce("any_review", none).alias("any_review"),
        F.coalesce("shared", none).alias("shared"),
    )


def _photos_seen(snapshot: Snapshot, head: CurrentHead, changed: "DataFrame | None", few: bool) -> "DataFrame":
    """Per claim and photo: unusable, shared; where classified also level (of LEVELS), accepted, damages.

    A file of which no photo could be made is shared by nobody: an empty file is the same in every claim that has one.
    """
    from pyspark.sql import functions as F

    every_link = snapshot.read("claim_photos").select("claim_id", "photo_id")
    links = every_link if changed is None else every_link.join(changed, "claim_id", "left_semi")

    def of_these(rows: "DataFrame") -> "DataFrame":
        """Rows of the photos in question only: the few of a change are sought out before anything else is done."""
        if changed is None:
            return rows
        # Spark takes a semi-join's result to be as large as its left side, and would shuffle every row to find a few.
        sought = links.select("photo_id").distinct()
        return rows.join(sought.hint("broadcast") if few else sought, "photo_id", "left_semi")

    shared = of_these(every_link).groupBy("photo_id").agg((F.count(F.lit(1)) > 1).alias("shared"))
    failed = F.col("status") == str(Status.FAILED)
    unread = snapshot.read("photos").where(failed).select("photo_id")
    unembedded = snapshot.read("embeddings").where(failed & (F.col("entity") == "photo"))
    unembedded = unembedded.where(F.col("model_key") == head.model_key)
    unembedded = unembedded.select(F.col("entity_id").alias("photo_id"), F.lit(True).alias("is_photo"))
    failures = unread.withColumn("is_photo", F.lit(False)).union(unembedded)
    unusable = failures.groupBy("photo_id").agg(F.bool_and("is_photo").alias("is_photo"))
    none_class = head.taxonomy.none_class
    damages = F.col("labels") if none_class is None else F.array_remove("labels", none_class)
    level = F.when(F.size("damages") == 0, F.lit(0))
    for position, name in enumerate(LEVELS):
        level = level.when(F.col("severity") == name, F.lit(position))
    classified = of_these(of_head(snapshot.read("damage_predictions"), head)).withColumn("damages", damages)
    classified = classified.select(
        "photo_id",
        "damages",
        level.otherwise(F.lit(LEVELS.index("damaged"))).alias("level"),
        (F.col("decision") == "accepted").alias("accepted"),
    )
    marked = of_these(unusable).withColumn("unusable", F.lit(True))
    return (
        links.join(shared, "photo_id")
        .join(marked, "photo_id", "left")
        .join(classified, "photo_id", "left")
        .withColumn("unusable", F.coalesce("unusable", F.lit(False)))
        .withColumn("shared", F.col("shared") & F.coalesce("is_photo", F.lit(True)))
    )
