"""What classifiers see in photos, and what that says of claims."""

from jobs.lakehouse.contracts.table import PHOTO_ID_CHECK, Column, TableContract

DAMAGE_PREDICTIONS = TableContract(
    "damage_predictions",
    1,
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
        Column("confidence", "FLOAT", "Lowest confidence over the facets that were decided, 0 to 1", required=True),
        Column("margin", "FLOAT", "Smallest distance to another decision over those facets, 0 to 1", required=True),
        Column("decision", "STRING", "accepted, or review", required=True),
        Column("predicted_at", "TIMESTAMP", "When this row was written", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("photo_id", "model_key", "head_key"),
    cluster_by=("head_key", "photo_id"),
    checks=(PHOTO_ID_CHECK, ("decision_known", "decision IN ('accepted', 'review')")),
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
