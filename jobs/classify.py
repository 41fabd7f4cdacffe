"""Classify photos from their stored vectors: no pixels, one matrix product, prompts of a taxonomy."""

from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.job.head import CurrentHead, head_for, predictions, predictions_frame
from jobs.job.report import Counts, Report
from jobs.job.spec import Job
from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS, EMBEDDINGS
from jobs.lakehouse.writes import append_once, stage
from udfs.outcome import Status

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

WAVE_ROWS = 2_000_000
"""Photos per commit: minutes of work, a few hundred megabytes of staged scores."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def run(context: JobContext) -> Report:
    """Give every embedded photo its prediction under the current model_key and head_key, where it has none.

    Raises:
        TaxonomyError: the taxonomy is malformed.
        ModelError: the model cannot be loaded.
    """
    head = context.head
    details = head.details
    if head.reason_to_skip:
        details["reason"] = head.reason_to_skip
        return Report("classify", context.run_id, "skipped", Counts(), details=details)
    lakehouse = context.lakehouse
    if context.dry_run and not lakehouse.exists(EMBEDDINGS.name):
        return Report("classify", context.run_id, "dry_run", Counts(), details={**details, "pending": 0})
    vectors = _vectors(context, head)
    total = vectors.count()
    if context.dry_run:
        known = lakehouse.exists(DAMAGE_PREDICTIONS.name)
        waiting = _pending(context, head, vectors).count() if known else total
        counts = Counts(rows_in=total, skipped=total - waiting)
        return Report("classify", context.run_id, "dry_run", counts, details={**details, "pending": waiting})
    lakehouse.ensure(DAMAGE_PREDICTIONS.name)
    versions_in = lakehouse.versions(EMBEDDINGS.name)
    pending = _pending(context, head, vectors)
    waiting = pending.count()
    written = _classify(context, pending, waiting) if waiting else 0
    counts = Counts(rows_in=total, written=written, skipped=total - written)
    details |= distributions(predictions(context, head))
    versions_out = lakehouse.versions(DAMAGE_PREDICTIONS.name)
    status = "done" if waiting else "nothing_to_do"
    return Report("classify", context.run_id, status, counts, 0.0, versions_in, versions_out, details)


def distributions(rows: "DataFrame") -> dict[str, Any]:
    """What predictions come to: photos per label, severity and decision, and quantiles of every score."""
    from pyspark.sql import functions as F

    grouped = rows.groupBy("severity", "decision").count().collect()
    severities: dict[str, int] = {}
    decisions = {"accepted": 0, "review": 0}
    for row in grouped:
        severity = row["severity"] or "none"
        severities[severity] = severities.get(severity, 0) + row["count"]
        decisions[row["decision"]] += row["count"]
    labelled = rows.select(F.explode("labels").alias("label")).groupBy("label").count()
    labels = labelled.orderBy("label").collect()
    scores = rows.select(F.explode("scores").alias("name", "score")).groupBy("name")
    middle = F.percentile_approx("score", list(QUANTILES)).alias("quantiles")
    quantiles = scores.agg(middle).orderBy("name").collect()
    return {
        "label_distribution": {row["label"]: row["count"] for row in labels},
        "severity_distribution": dict(sorted(severities.items())),
        "decisions": decisions,
        "score_quantiles": {
            row["name"]: {
                f"p{round(share * 100):02d}": round(float(value), 4)
                for share, value in zip(QUANTILES, row["quantiles"], strict=True)
            }
            for row in quantiles
        },
    }


def _vectors(context: JobContext, head: CurrentHead) -> "DataFrame":
    from pyspark.sql import functions as F

    rows = context.lakehouse.read(EMBEDDINGS.name)
    wanted = (F.col("entity") == "photo") & (F.col("status") == str(Status.OK))
    rows = rows.where(wanted & (F.col("model_key") == head.model_key))
    return rows.select(F.col("entity_id").alias("photo_id"), "vector")


def _pending(context: JobContext, head: CurrentHead, vectors: "DataFrame") -> "DataFrame":
    return vectors.join(predictions(context, head).select("photo_id"), "photo_id", "left_anti")


def _classify(context: JobContext, pending: "DataFrame", waiting: int) -> int:
    """Classify the pending photos, a wave at a time; the number of rows that this run wrote."""
    from pyspark.sql import functions as F

    classifier = head_for(context)
    waves = -(-waiting // WAVE_ROWS)
    written = 0
    context.progress.start("classify photos", waiting)
    for wave in range(waves):
        bucket = F.pmod(F.xxhash64("photo_id"), F.lit(waves))
        portion = pending.where(bucket == wave) if waves > 1 else pending
        with stage(context.lakehouse, predictions_frame(context, classifier, portion), context.run_id) as staged:
            written += append_once(context.lakehouse, staged.frame, DAMAGE_PREDICTIONS.name)
            context.progress.advance(staged.rows)
    context.progress.finish()
    return written


JOB = Job("classify", "Name the damage in each photo from its vector.", run)
