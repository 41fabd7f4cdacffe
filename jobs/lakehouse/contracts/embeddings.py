"""Vectors."""

from jobs.lakehouse.contracts.table import CODE_CHECK, OUTCOME, STATUS_CHECK, Column, TableContract

EMBEDDINGS = TableContract(
    "embeddings",
    1,
    "Unit vectors of photos and narratives, per model",
    (
        Column("entity", "STRING", "photo or narrative", required=True),
        Column("entity_id", "STRING", "photo_id, or claim_id of the narrative", required=True, identifies="entity"),
        Column("model_key", "STRING", "Hash of everything that decides the vector", required=True),
        Column(
            "content_hash", "STRING", "SHA-256 of what was embedded; a narrative's changes with its text", required=True
        ),
        Column("vector", "ARRAY<FLOAT>", "Unit vector; null when failed"),
        Column("dimension", "INT", "Length of the vector; null when failed"),
        Column("norm", "DOUBLE", "Euclidean length as stored, 1 within rounding; null when failed"),
        *OUTCOME,
        Column("embedded_at", "TIMESTAMP", "When this row was written", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("entity", "entity_id", "model_key", "content_hash"),
    cluster_by=("model_key", "entity_id"),
    checks=(
        ("entity_known", "entity IN ('photo', 'narrative')"),
        STATUS_CHECK,
        CODE_CHECK,
        ("ok_has_unit_vector", "status <> 'ok' OR (size(vector) = dimension AND norm BETWEEN 0.999 AND 1.001)"),
        ("failed_has_no_vector", "status = 'ok' OR vector IS NULL"),
    ),
)
