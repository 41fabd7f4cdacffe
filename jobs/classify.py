"""Classify photos from their stored vectors: no pixels, one matrix product, prompts of a taxonomy."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS, EMBEDDINGS
from jobs.lakehouse.writes import append_once, stage
from jobs.runtime.context import JobContext
from jobs.runtime.entry import run_as_script
from jobs.runtime.models import model_reference
from jobs.runtime.report import Counts, Report
from udfs.errors import ModelError
from udfs.outcome import Status

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from udfs.classifiers.taxonomy import Taxonomy
    from udfs.classifiers.zero_shot import ZeroShotHead

WAVE_ROWS = 2_000_000
"""Photos per commit: minutes of work, a few hundred megabytes of staged scores."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class HeadIdentity:
    """Which predictions settings ask for; known without loading the model. `has_text`: it can make them."""

    taxonomy: "Taxonomy"
    model_key: str
    head_key: str
    has_text: bool
    model_name: str

    @property
    def details(self) -> dict[str, Any]:
        """What every report says about it."""
        return {"taxonomy": self.taxonomy.name, "model_key": self.model_key, "head_key": self.head_key}

    @property
    def reason_to_skip(self) -> str:
        """Why a vision-only model gives no predictions."""
        return (
            f"Model {self.model_name} has no text tower, and zero-shot classification needs one; "
            "set model.name to a CLIP or SigLIP model."
        )


def head_identity(context: JobContext) -> HeadIdentity:
    """The keys under which the settings' model and taxonomy keep their predictions.

    Raises:
        TaxonomyError: the taxonomy is malformed.
        ModelError: the model cannot be described.
    """
    from udfs.classifiers.taxonomy import load_taxonomy
    from udfs.classifiers.zero_shot import head_key
    from udfs.encoders import describe_model

    settings = context.settings
    taxonomy = load_taxonomy(settings.classify.taxonomy)
    model = describe_model(model_reference(settings.model))
    key = head_key(taxonomy, model.model_key)
    return HeadIdentity(taxonomy, model.model_key, key, model.has_text, settings.model.name)


def head_for(context: JobContext) -> "ZeroShotHead":
    """The head of the settings' model and taxonomy; loads the model on the driver to encode the prompts.

    Raises:
        TaxonomyError: the taxonomy is malformed.
        ModelError: the model cannot be loaded, or has no text tower.
    """
    from udfs.classifiers.zero_shot import build_head
    from udfs.encoders import load_encoder

    identity = head_identity(context)
    if not identity.has_text:
        raise ModelError(identity.reason_to_skip)
    encoder = load_encoder(model_reference(context.settings.model))
    return build_head(identity.taxonomy, encoder.encode_texts, encoder.model_key, encoder.logit_scale)


def predictions_frame(context: JobContext, head: "ZeroShotHead", vectors: "DataFrame") -> "DataFrame":
    """Rows of damage_predictions for (photo_id, vector) rows; lazy, so stage it before it is merged."""
    from pyspark.sql import functions as F

    from udfs.classify import PREDICTION_SCHEMA, classify_batches

    predicted = vectors.select("photo_id", "vector").mapInArrow(classify_batches(head), PREDICTION_SCHEMA)
    return predicted.select(
        "*",
        F.lit(head.model_key).alias("model_key"),
        F.lit(head.head_key).alias("head_key"),
        F.lit(head.taxonomy.name).alias("taxonomy"),
        F.lit(context.clock()).alias("predicted_at"),
        F.lit(context.run_id).alias("run_id"),
    )


def run(context: JobContext) -> Report:
    """Give every embedded photo its prediction under the current model_key and head_key, where it has none.

    Raises:
        TaxonomyError: the taxonomy is malformed.
        ModelError: the model cannot be loaded.
    """
    identity = head_identity(context)
    details = identity.details
    if not identity.has_text:
        details["reason"] = identity.reason_to_skip
        return Report("classify", context.run_id, "skipped", Counts(), details=details)
    lakehouse = context.lakehouse
    if context.dry_run and not lakehouse.exists(EMBEDDINGS.name):
        return Report("classify", context.run_id, "dry_run", Counts(), details={**details, "pending": 0})
    vectors = _vectors(context, identity)
    total = vectors.count()
    if context.dry_run:
        known = lakehouse.exists(DAMAGE_PREDICTIONS.name)
        waiting = _pending(context, identity, vectors).count() if known else total
        counts = Counts(rows_in=total, skipped=total - waiting)
        return Report("classify", context.run_id, "dry_run", counts, details={**details, "pending": waiting})
    lakehouse.ensure(DAMAGE_PREDICTIONS.name)
    versions_in = lakehouse.versions(EMBEDDINGS.name)
    pending = _pending(context, identity, vectors)
    waiting = pending.count()
    written = _classify(context, pending, waiting) if waiting else 0
    counts = Counts(rows_in=total, written=written, skipped=total - written)
    details |= distributions(predictions(context, identity))
    versions_out = lakehouse.versions(DAMAGE_PREDICTIONS.name)
    status = "done" if waiting else "nothing_to_do"
    return Report("classify", context.run_id, status, counts, 0.0, versions_in, versions_out, details)


def predictions(context: JobContext, identity: HeadIdentity) -> "DataFrame":
    """The rows of damage_predictions under the identity's keys."""
    from pyspark.sql import functions as F

    rows = context.lakehouse.read(DAMAGE_PREDICTIONS.name)
    return rows.where((F.col("model_key") == identity.model_key) & (F.col("head_key") == identity.head_key))


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


def _vectors(context: JobContext, identity: HeadIdentity) -> "DataFrame":
    from pyspark.sql import functions as F

    rows = context.lakehouse.read(EMBEDDINGS.name)
    wanted = (F.col("entity") == "photo") & (F.col("status") == str(Status.OK))
    rows = rows.where(wanted & (F.col("model_key") == identity.model_key))
    return rows.select(F.col("entity_id").alias("photo_id"), "vector")


def _pending(context: JobContext, identity: HeadIdentity, vectors: "DataFrame") -> "DataFrame":
    return vectors.join(predictions(context, identity).select("photo_id"), "photo_id", "left_anti")


def _classify(context: JobContext, pending: "DataFrame", waiting: int) -> int:
    """Classify the pending photos, a wave at a time; the number of rows that this run wrote."""
    from pyspark.sql import functions as F

    head = head_for(context)
    waves = -(-waiting // WAVE_ROWS)
    written = 0
    context.progress.start("classify photos", waiting)
    for wave in range(waves):
        bucket = F.pmod(F.xxhash64("photo_id"), F.lit(waves))
        portion = pending.where(bucket == wave) if waves > 1 else pending
        with stage(context.lakehouse, predictions_frame(context, head, portion), context.run_id) as staged:
            written += append_once(context.lakehouse, staged.frame, DAMAGE_PREDICTIONS.name)
            context.progress.advance(staged.rows)
    context.progress.finish()
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """The job as a script for spark-submit."""
    return run_as_script("classify", arguments)


if __name__ == "__main__":
    sys.exit(main())
