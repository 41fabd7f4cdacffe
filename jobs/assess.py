"""Assess claims: what the photos of each claim show, against what was reported, and who should look at it."""

from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.job.head import CurrentHead, predictions
from jobs.job.report import Counts, Report
from jobs.job.spec import Job
from jobs.lakehouse.contracts import CLAIM_ASSESSMENTS, DAMAGE_PREDICTIONS
from jobs.lakehouse.writes import delete_keys, stage, upsert
from udfs.assessment import (
    VERDICT_FIELDS,
    Agreement,
    assess_batches,
    normalised_severity_map,
    reason_sentence,
)
from udfs.heads.severity import LEVELS
from udfs.outcome import Status

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SOURCES = ("claims", "claim_photos", "photos", "embeddings", DAMAGE_PREDICTIONS.name)
MISMATCHES_LISTED = 50
COMPARED = (
    "photos",
    "photos_classified",
    "worst_severity",
    "damages",
    "reported_severity",
    "expected_severity",
    "agreement",
    "review",
    "review_reasons",
)
"""A row is rewritten when one of these has changed."""


def run(context: JobContext) -> Report:
    """Bring the assessment of every claim up to date, for the current model_key and head_key.

    Claims without photos are assessed too. A claim of which nothing has changed is not written again; the
    assessment of a claim that is gone is removed.

    Raises:
        TaxonomyError: the taxonomy is malformed.
        SettingsError: assess.severity_map names an unknown severity.
        ModelError: the model cannot be described.
    """
    normalised_severity_map(context.settings.assess.severity_map)
    head = context.head
    details = head.details
    if head.reason_to_skip:
        details["reason"] = head.reason_to_skip
        return Report("assess", context.run_id, "skipped", Counts(), details=details)
    lakehouse = context.lakehouse
    if context.dry_run:
        total = lakehouse.read("claims").count() if lakehouse.exists("claims") else 0
        return Report("assess", context.run_id, "dry_run", Counts(rows_in=total), details=details)
    lakehouse.ensure(*SOURCES, CLAIM_ASSESSMENTS.name)
    versions_in = lakehouse.versions(*SOURCES)
    with stage(lakehouse, assessments_frame(context, head), context.run_id) as wave:
        inserted, updated = upsert(lakehouse, wave.frame, CLAIM_ASSESSMENTS.name, compare=COMPARED)
        removed = _remove_stale(context, head)
        details |= _figures(wave.frame)
        total = wave.rows
    details |= {"inserted": inserted, "updated": updated, "removed": removed}
    written = inserted + updated
    return Report(
        "assess",
        context.run_id,
        "done" if written or removed else "nothing_to_do",
        Counts(rows_in=total, written=written, skipped=total - written),
        versions_in=versions_in,
        versions_out=lakehouse.versions(CLAIM_ASSESSMENTS.name),
        details=details,
    )


def assessments_frame(context: JobContext, head: CurrentHead) -> "DataFrame":
    """One row of claim_assessments for each claim, from what the tables hold now."""
    from pyspark.sql import functions as F

    evidence = _evidence(context, head)
    schema = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in evidence.schema.fields)
    judged = evidence.mapInArrow(assess_batches(context.settings.assess.severity_map), f"{schema}, {VERDICT_FIELDS}")
    return judged.select(
        "*",
        F.lit(head.model_key).alias("model_key"),
        F.lit(head.head_key).alias("head_key"),
        F.lit(context.clock()).alias("assessed_at"),
        F.lit(context.run_id).alias("run_id"),
    )


def _evidence(context: JobContext, head: CurrentHead) -> "DataFrame":
    """Per claim: claim_id, damages, and the columns of udfs.assessment.Evidence."""
    from pyspark.sql import functions as F

    claims = context.lakehouse.read("claims").select("claim_id", "reported_severity")
    seen = _photos_seen(context, head)
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


def _photos_seen(context: JobContext, head: CurrentHead) -> "DataFrame":
    """Per claim and photo: unusable, shared; where classified also level (of LEVELS), accepted, damages."""
    from pyspark.sql import functions as F

    lakehouse = context.lakehouse
    links = lakehouse.read("claim_photos").select("claim_id", "photo_id")
    shared = links.groupBy("photo_id").agg((F.count(F.lit(1)) > 1).alias("shared"))
    failed = F.col("status") == str(Status.FAILED)
    unread = lakehouse.read("photos").where(failed).select("photo_id")
    embeddings = lakehouse.read("embeddings").where(failed & (F.col("entity") == "photo"))
    unembedded = embeddings.where(F.col("model_key") == head.model_key)
    unusable = unread.union(unembedded.select(F.col("entity_id").alias("photo_id"))).distinct()
    none_class = head.taxonomy.none_class
    damages = F.col("labels") if none_class is None else F.array_remove("labels", none_class)
    level = F.when(F.size("damages") == 0, F.lit(0))
    for position, name in enumerate(LEVELS):
        level = level.when(F.col("severity") == name, F.lit(position))
    classified = predictions(context, head).withColumn("damages", damages)
    classified = classified.select(
        "photo_id",
        "damages",
        level.otherwise(F.lit(LEVELS.index("damaged"))).alias("level"),
        (F.col("decision") == "accepted").alias("accepted"),
    )
    marked = unusable.withColumn("unusable", F.lit(True))
    return (
        links.join(shared, "photo_id")
        .join(marked, "photo_id", "left")
        .join(classified, "photo_id", "left")
        .withColumn("unusable", F.coalesce("unusable", F.lit(False)))
    )


def _remove_stale(context: JobContext, head: CurrentHead) -> int:
    """Delete assessments under these keys of claims that are no longer there."""
    from pyspark.sql import functions as F

    rows = context.lakehouse.read(CLAIM_ASSESSMENTS.name)
    rows = rows.where((F.col("model_key") == head.model_key) & (F.col("head_key") == head.head_key))
    claims = context.lakehouse.read("claims").select("claim_id")
    stale = rows.select(*CLAIM_ASSESSMENTS.key).join(claims, "claim_id", "left_anti")
    return delete_keys(context.lakehouse, stale, CLAIM_ASSESSMENTS.name) if stale.limit(1).count() else 0


def _figures(frame: "DataFrame") -> dict[str, Any]:
    """Counts per agreement and review reason, the mismatched claims, and reported words without a meaning."""
    from pyspark.sql import functions as F

    counts = (F.count(F.lit(1)).alias("claims"), F.count_if("review").alias("review"))
    counted = frame.groupBy("agreement").agg(*counts)
    by_agreement = {row["agreement"]: (row["claims"], row["review"]) for row in counted.collect()}
    reasons = frame.select(F.explode("review_reasons").alias("reason")).groupBy("reason").count()
    mismatched = frame.where(F.col("agreement").isin(str(Agreement.SEEN_WORSE), str(Agreement.SEEN_MILDER)))
    worst_first = mismatched.orderBy(F.col("agreement").desc(), "claim_id").limit(MISMATCHES_LISTED)
    unmapped = frame.where("expected_severity IS NULL AND length(trim(reported_severity)) > 0")
    words = unmapped.groupBy("reported_severity").count().orderBy(F.desc("count"), "reported_severity")
    return {
        "agreement": {str(name): by_agreement.get(name, (0, 0))[0] for name in Agreement},
        "claims_for_review": sum(review for _, review in by_agreement.values()),
        "review_reasons": {row["reason"]: row["count"] for row in reasons.orderBy("reason").collect()},
        "mismatched": [
            {
                "claim_id": row["claim_id"],
                "reported": row["reported_severity"],
                "seen": row["worst_severity"] or "none",
                "why": reason_sentence(row["review_reasons"][0], row["reported_severity"], row["worst_severity"]),
            }
            for row in worst_first.collect()
        ],
        "unmapped_severities": {
            row["reported_severity"]: row["count"] for row in words.limit(MISMATCHES_LISTED).collect()
        },
    }


JOB = Job("assess", "Compare what photos show with what was reported.", run)
