"""Passages of text, each once, and the claims that they are from: what photos and claim_photos are for pictures."""

from jobs.lakehouse.contracts.table import Column, TableContract

PASSAGE_ID_CHECK = ("passage_id_is_sha256", "passage_id RLIKE '^[0-9a-f]{64}$'")

PASSAGES = TableContract(
    "passages",
    1,
    "Each distinct passage of text once",
    (
        Column("passage_id", "STRING", "SHA-256 of the text in UTF-8", required=True, identifies="passage"),
        Column("text", "STRING", "The text, as given", required=True),
        Column("first_seen", "TIMESTAMP", "When it was first ingested", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("passage_id",),
    cluster_by=("passage_id",),
    checks=(PASSAGE_ID_CHECK, ("text_given", "length(trim(text)) > 0")),
)

CLAIM_PASSAGES = TableContract(
    "claim_passages",
    1,
    "Which claims hold which passages",
    (
        Column("claim_id", "STRING", "The claim", required=True, identifies="claim"),
        Column("passage_id", "STRING", "The passage", required=True, identifies="passage"),
        Column("position", "INT", "Place of the passage within the claim's narrative, from 0", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("claim_id", "position"),
    cluster_by=("claim_id",),
    checks=(PASSAGE_ID_CHECK, ("position_counts_from_zero", "position >= 0")),
)
