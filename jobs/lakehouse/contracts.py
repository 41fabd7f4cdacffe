"""The table contracts: columns with comments, keys, constraints and clustering, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass

from udfs.outcome import ERROR_CODES, STATUSES


@dataclass(frozen=True)
class Column:
    """A column: its Spark SQL type and what it means."""

    name: str
    type: str
    comment: str
    required: bool = False


@dataclass(frozen=True)
class TableContract:
    """What a table promises. `version` is recorded in the table property claimlens.contract.

    A table of another version is migrated where `migrations` has the step (from version -> statements with
    {table} in place of its name), and otherwise refused.
    """

    name: str
    version: int
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    cluster_by: tuple[str, ...] = ()
    checks: tuple[tuple[str, str], ...] = ()
    migrations: tuple[tuple[int, tuple[str, ...]], ...] = ()

    @property
    def schema(self) -> str:
        """The columns as a Spark DDL string, for DataFrame schemas."""
        return ", ".join(f"`{column.name}` {column.type}" for column in self.columns)


def _quoted(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)


STATUS_CHECK = ("status_known", f"status IN ({_quoted(STATUSES)})")
CODE_CHECK = (
    "code_known",
    f"(status = 'ok' AND error_code IS NULL) OR (status = 'failed' AND error_code IN ({_quoted(ERROR_CODES)}))",
)
PHOTO_ID_CHECK = ("photo_id_is_sha256", "photo_id RLIKE '^[0-9a-f]{64}$'")
OUTCOME = (
    Column("status", "STRING", "ok or failed", required=True),
    Column("error_code", "STRING", "Why it failed: a code of the closed list; null when ok"),
    Column("error_detail", "STRING", "One line more about the failure"),
)

CLAIMS = TableContract(
    "claims",
    1,
    "Claim records, typed, with what looked wrong in them flagged",
    (
        Column("claim_id", "STRING", "The insurer's number of the claim", required=True),
        Column("policy_id", "STRING", "The insurer's number of the policy"),
        Column("vehicle_id", "STRING", "Chassis number or other key of the insured thing, as given"),
        Column("claimed_at", "TIMESTAMP_NTZ", "When the claim was made"),
        Column("incident_date", "DATE", "Day of the incident"),
        Column("incident_hour", "INT", "Hour of the incident, 0 to 23"),
        Column("incident_type", "STRING", "Kind of incident as reported"),
        Column("collision_type", "STRING", "Kind of collision as reported"),
        Column("reported_severity", "STRING", "Severity as reported"),
        Column("vehicles_involved", "INT", "Number of vehicles"),
        Column("driver_age", "DOUBLE", "Age of the driver in years; 0 is kept and flagged"),
        Column("license_issue_date", "DATE", "Issue date of the driver's licence; sentinels are kept and flagged"),
        Column("amount_total", "DOUBLE", "Claimed amount in the insurer's currency"),
        Column("amount_injury", "DOUBLE", "Part claimed for injury"),
        Column("amount_property", "DOUBLE", "Part claimed for property"),
        Column("amount_vehicle", "DOUBLE", "Part claimed for the vehicle"),
        Column("narrative", "STRING", "What happened, in the claimant's or handler's words"),
        Column("flags", "ARRAY<STRING>", "What looked wrong: <column>:<reason>, for example driver_age:zero"),
        Column("raw", "STRING", "The source record as JSON"),
        Column("record_hash", "STRING", "SHA-256 of the source record: tells a changed claim", required=True),
        Column("ingested_at", "TIMESTAMP", "When this row was written", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("claim_id",),
    cluster_by=("claim_id",),
    checks=(("claim_id_given", "length(trim(claim_id)) > 0"),),
)

SOURCE_FILES = TableContract(
    "source_files",
    1,
    "Every photo file that discovery has seen, in each version of it",
    (
        Column("path", "STRING", "Where the file is", required=True),
        Column("modification_time", "TIMESTAMP", "The file's own time stamp", required=True),
        Column("length", "BIGINT", "Size in bytes", required=True),
    ),
    key=("path", "modification_time", "length"),
)

PHOTO_FILES = TableContract(
    "photo_files",
    1,
    "Which photo each file version holds",
    (
        Column("path", "STRING", "Where the file is", required=True),
        Column("modification_time", "TIMESTAMP", "The file's own time stamp", required=True),
        Column("length", "BIGINT", "Size in bytes", required=True),
        Column(
            "photo_id",
            "STRING",
            "SHA-256 of the bytes; of path, time and length where they cannot be read",
            required=True,
        ),
        Column("first_seen", "TIMESTAMP", "When it was first ingested", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("path", "modification_time", "length"),
    cluster_by=("photo_id",),
    checks=(PHOTO_ID_CHECK,),
)

PHOTOS = TableContract(
    "photos",
    1,
    "Each distinct photo once, sanitised, or the reason why not",
    (
        Column("photo_id", "STRING", "SHA-256 of the original's bytes", required=True),
        Column("jpeg", "BINARY", "Sanitised JPEG: upright, sRGB, no metadata, longest side capped"),
        Column("width", "INT", "Width of the sanitised JPEG in pixels"),
        Column("height", "INT", "Height of the sanitised JPEG in pixels"),
        Column("original_width", "INT", "Width as stored, before orientation"),
        Column("original_height", "INT", "Height as stored, before orientation"),
        Column("original_format", "STRING", "Format by the file's contents, not its name"),
        Column("original_bytes", "BIGINT", "Size of the original in bytes"),
        Column("captured_at", "TIMESTAMP_NTZ", "Camera time from EXIF, where it is a real date"),
        Column("perceptual_hash", "BIGINT", "64-bit pHash of the upright picture, for near-duplicates"),
        *OUTCOME,
        Column("ingested_at", "TIMESTAMP", "When this row was written", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("photo_id",),
    cluster_by=("photo_id",),
    checks=(PHOTO_ID_CHECK, STATUS_CHECK, CODE_CHECK, ("ok_has_jpeg", "(status = 'ok') = (jpeg IS NOT NULL)")),
)

CLAIM_PHOTOS = TableContract(
    "claim_photos",
    1,
    "Which claims show which photos",
    (
        Column("claim_id", "STRING", "The claim", required=True),
        Column("photo_id", "STRING", "The photo", required=True),
        Column("source_path", "STRING", "A file that holds it"),
        Column("first_seen", "TIMESTAMP", "When the link was first seen", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("claim_id", "photo_id"),
    cluster_by=("claim_id",),
    checks=(PHOTO_ID_CHECK,),
)

EMBEDDINGS = TableContract(
    "embeddings",
    1,
    "Unit vectors of photos and narratives, per model",
    (
        Column("entity", "STRING", "photo or narrative", required=True),
        Column("entity_id", "STRING", "photo_id, or claim_id of the narrative", required=True),
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

DAMAGE_PREDICTIONS = TableContract(
    "damage_predictions",
    1,
    "What the classifier sees in each photo",
    (
        Column("photo_id", "STRING", "The photo", required=True),
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
        Column("claim_id", "STRING", "The claim", required=True),
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

INDEX_STATE = TableContract(
    "index_state",
    1,
    "How far each vector index has followed the tables",
    (
        Column("index_name", "STRING", "The index", required=True),
        Column("model_key", "STRING", "The encoder whose vectors it holds", required=True),
        Column("sources", "STRING", "JSON: source table -> {id, version} up to which it has followed", required=True),
        Column("rows", "BIGINT", "Rows in the index", required=True),
        Column("checksum", "STRING", "Order-free checksum over ids and contents", required=True),
        Column("synced_at", "TIMESTAMP", "When it was verified", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("index_name",),
)

JOB_RUNS = TableContract(
    "job_runs",
    1,
    "Every run's report",
    (
        Column("run_id", "STRING", "The run", required=True),
        Column("job", "STRING", "Name of the job", required=True),
        Column("status", "STRING", "done, nothing_to_do, skipped or failed", required=True),
        Column("finished_at", "TIMESTAMP", "When it ended", required=True),
        Column("rows_in", "BIGINT", "Rows read", required=True),
        Column("written", "BIGINT", "Rows written", required=True),
        Column("skipped", "BIGINT", "Rows that needed nothing", required=True),
        Column("failed", "BIGINT", "Rows that failed", required=True),
        Column("seconds", "DOUBLE", "Wall time", required=True),
        Column("photos_per_second", "DOUBLE", "Rows worked on per second", required=True),
        Column("report", "STRING", "The whole report as JSON", required=True),
    ),
    key=("run_id",),
)

CONTRACTS: Mapping[str, TableContract] = {
    contract.name: contract
    for contract in (
        CLAIMS,
        SOURCE_FILES,
        PHOTO_FILES,
        PHOTOS,
        CLAIM_PHOTOS,
        EMBEDDINGS,
        DAMAGE_PREDICTIONS,
        CLAIM_ASSESSMENTS,
        INDEX_STATE,
        JOB_RUNS,
    )
}
