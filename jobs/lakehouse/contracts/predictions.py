"""What classifiers see in photos, and what that says of claims."""

from typing import TYPE_CHECKING

from jobs.lakehouse.contracts.table import PHOTO_ID_CHECK, Column, TableContract, adding
from jobs.lakehouse.sql import literal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CLOSEST = Column(
    "closest",
    "STRUCT<facet: STRING, name: STRING, other: STRING>",
    "The decision that the margin is of: a class just given or not, or the best of a facet and the second",
)


def with_closest(spark: "SparkSession", table: str) -> None:
    """Contract 1 to 2: the column `closest` comes, confidence and margin may be absent. Safe to repeat."""
    for column in DAMAGE_PREDICTIONS.columns:
        if column.name in ("confidence", "margin"):
            spark.sql(f"ALTER TABLE {table} ALTER COLUMN {column.name} DROP NOT NULL").collect()
            spark.sql(f"ALTER TABLE {table} ALTER COLUMN {column.name} COMMENT {literal(column.comment)}").collect()
    adding(CLOSEST)(spark, table)


DAMAGE_PREDICTIONS = TableContract(
    "damage_predictions",
    2,
    "What the classifier sees in each photo",
    (
        Column("photo_id", "STRING", "The photo", required=True, identifies="photo"),
        Column("model_key", "STRING", "The encoder", required=True),
        Column("head_key", "STRING", "Hash of taxonomy, prompts and thresholds, or of a fitted head", required=True),
        Column("taxonomy", "STRING", "Name of the taxonomy", required=True),
        Column("scores", "MAP<STRING, FLOAT>", "Score per class, keys <facet>/<class>", required=True),
        Column("labels", "ARRAY<STRING>", "Damage types whose score reaches the threshold", required=True),
        Column("severity", "STRING", "minor, moderate or severe; null when undamaged or not in the taxonomy"),
        Column("part", "STRING", "Damaged part; null when undamaged or not in the taxonomy"),
        Column("confidence", "FLOAT", "Lowest confidence over the decided facets, 0 to 1; null where a head has none"),
        Column("margin", "FLOAT", "Smallest distance to another decision, 0 to 1; null where a head has none"),
        CLOSEST,
        Column("decision", "STRING", "accepted, or review", required=True),
        Column("predicted_at", "TIMESTAMP", "When this row was written", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("photo_id", "model_key", "head_key"),
    cluster_by=("head_key", "photo_id"),
    checks=(PHOTO_ID_CHECK, ("decision_known", "decision IN ('accepted', 'review')")),
    migrations={1: with_closest},
)

CLAIM_ASSESSMENTS = TableContract(
    "claim_assessments",
    1,
    "One row per claim: what its photos show against what was reported",
    (
        Column("claim_id", "STRING", "The claim", required=True, identifies="claim"),
        Column("model_key", "STRING", "The encoder", required=True),
        Column("head_key", "STRING", "The classifier", required=True),
        Column("photos", "INT", "Photos linked to the claim", required=True),
        Column("photos_classified", "INT", "Of these, with a prediction", required=True),
        Column("worst_severity", "STRING", "Worst severity seen; null when nothing damaged was seen"),
        Column("damages", "ARRAY<STRING>", "Every damage type seen", required=True),
        Column("reported_severity", "STRING", "Severity as reported"),
        Column("expected_severity", "STRING", "The reported severity in our terms; null when it has none"),
        Column("agreement", "STRING", "agrees, seen_worse, seen_milder or not_comparable", required=True),
        Column("review", "BOOLEAN", "Whether a person should look", required=True),
        Column("review_reasons", "ARRAY<STRING>", "Why a person should look", required=True),
        Column("assessed_at", "TIMESTAMP", "When this row was written", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("claim_id", "model_key", "head_key"),
    cluster_by=("claim_id",),
    checks=(("agreement_known", "agreement IN ('agrees', 'seen_worse', 'seen_milder', 'not_comparable')"),),
)

HEADS = TableContract(
    "heads",
    1,
    "What each classifier that has predicted is",
    (
        Column("head_key", "STRING", "Hash of taxonomy, prompts and thresholds, or of a fitted head", required=True),
        Column("kind", "STRING", "Sort of head, and the version of its formula", required=True),
        Column("taxonomy", "STRING", "Name of the taxonomy", required=True),
        Column("taxonomy_key", "STRING", "Hash of the taxonomy's content", required=True),
        Column("model_key", "STRING", "The encoder whose vectors it reads", required=True),
        Column("content", "STRING", "The whole taxonomy as JSON: facets, classes, prompts, thresholds", required=True),
        Column("made_at", "TIMESTAMP", "When it first predicted", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("head_key",),
)

ASSESSMENT_STATE = TableContract(
    "assessment_state",
    1,
    "How far the assessments of each classifier have followed the tables",
    (
        Column("model_key", "STRING", "The encoder", required=True),
        Column("head_key", "STRING", "The classifier", required=True),
        Column("sources", "STRING", "JSON: table -> {id, version} that was read; empty when unknown", required=True),
        Column("assessments", "STRING", "JSON: {id, version} of claim_assessments as it was left", required=True),
        Column("rules", "STRING", "Hash of the severity map and the rule's version", required=True),
        Column("figures", "STRING", "JSON: counts of all assessments of this classifier", required=True),
        Column("writer", "STRING", "The run that has begun to write and has not ended"),
        Column("updated_at", "TIMESTAMP", "When this row was written", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("model_key", "head_key"),
)
