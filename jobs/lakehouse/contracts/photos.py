"""Photo files, the distinct photos in them, and the claims that show these."""

from jobs.lakehouse.contracts.table import (
    CODE_CHECK,
    OUTCOME,
    PHOTO_ID_CHECK,
    RETRIES,
    STATUS_CHECK,
    Column,
    TableContract,
    adding,
)

FAILED_UNDER = Column(
    "failed_under", "STRING", "The limit, or the optional readers, under which it failed; null where it did not"
)
GONE_AT = Column(
    "gone_at", "TIMESTAMP", "When it was no longer at its source: replaced, moved or removed; null while it is there"
)
NAMED_BY = Column(
    "named_by", "STRING", "What said so: path_pattern, or the metadata file; null in older rows", identifies="file"
)

SOURCE_FILES = TableContract(
    "source_files",
    1,
    "Every photo file that discovery has seen, in each version of it",
    (
        Column("path", "STRING", "Where the file is", required=True, identifies="file"),
        Column("modification_time", "TIMESTAMP", "The file's own time stamp", required=True),
        Column("length", "BIGINT", "Size in bytes", required=True),
    ),
    key=("path", "modification_time", "length"),
)

PHOTO_FILES = TableContract(
    "photo_files",
    2,
    "Which photo each file version holds, and whether it is still there",
    (
        Column("path", "STRING", "Where the file is", required=True, identifies="file"),
        Column("modification_time", "TIMESTAMP", "The file's own time stamp", required=True),
        Column("length", "BIGINT", "Size in bytes", required=True),
        Column(
            "photo_id",
            "STRING",
            "SHA-256 of the bytes; of path, time and length where they cannot be read",
            required=True,
            identifies="photo",
        ),
        Column("first_seen", "TIMESTAMP", "When it was first ingested", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
        *RETRIES,
        FAILED_UNDER,
        GONE_AT,
    ),
    key=("path", "modification_time", "length"),
    cluster_by=("photo_id",),
    checks=(PHOTO_ID_CHECK,),
    migrations={1: adding(*RETRIES, FAILED_UNDER, GONE_AT)},
)

PHOTOS = TableContract(
    "photos",
    1,
    "Each distinct photo once, sanitised, or the reason why not",
    (
        Column("photo_id", "STRING", "SHA-256 of the original's bytes", required=True, identifies="photo"),
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
    2,
    "Which claims show which photos",
    (
        Column("claim_id", "STRING", "The claim", required=True, identifies="claim"),
        Column("photo_id", "STRING", "The photo", required=True, identifies="photo"),
        Column("source_path", "STRING", "A file that holds it", identifies="file"),
        Column("first_seen", "TIMESTAMP", "When the link was first seen", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
        NAMED_BY,
    ),
    key=("claim_id", "photo_id"),
    cluster_by=("claim_id",),
    checks=(PHOTO_ID_CHECK,),
    migrations={1: adding(NAMED_BY)},
)

ENDED_LINKS = TableContract(
    "ended_links",
    1,
    "Links of claims and photos that are no longer: what claim_photos held, until when, and why it went",
    (
        Column("claim_id", "STRING", "The claim", required=True, identifies="claim"),
        Column("photo_id", "STRING", "The photo", required=True, identifies="photo"),
        Column("source_path", "STRING", "The file that held it", identifies="file"),
        Column("first_seen", "TIMESTAMP", "When the link was first seen", required=True),
        Column("ended_at", "TIMESTAMP", "When it was no longer", required=True),
        Column("reason", "STRING", "replaced (its file holds another photo), gone (the file), or withdrawn (the link)"),
        Column("run_id", "STRING", "The job run that ended it", required=True),
        NAMED_BY,
    ),
    key=("claim_id", "photo_id", "first_seen"),
    cluster_by=("claim_id",),
    checks=(PHOTO_ID_CHECK, ("reason_known", "reason IN ('replaced', 'gone', 'withdrawn')")),
)
