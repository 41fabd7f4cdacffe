"""Rows for the tables, with only what a test cares about spelled out."""

import hashlib
import io

from PIL import Image
from pyspark.sql import functions as F

from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.writes import append_once, upsert
from jobs.steps.ingest.passages import derive_passages


def jpeg(colour, size=(48, 40)) -> bytes:
    """A one-coloured JPEG."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


def photo_id(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def add_photos(lakehouse, contents) -> list[str]:
    """Put photos with these JPEG bytes into the photos table; gives their ids."""
    ids = [photo_id(content) for content in contents]
    frame = lakehouse.spark.createDataFrame(
        list(zip(ids, map(bytearray, contents), strict=True)), "photo_id string, jpeg binary"
    )
    append_once(lakehouse, filled(frame, "photos", status=F.lit("ok")), "photos")
    return ids


def put_claims(lakehouse, narratives) -> None:
    """Put claims {claim_id: narrative} into the claims table, changing those that are there."""
    frame = lakehouse.spark.createDataFrame(list(narratives.items()), "claim_id string, narrative string")
    rows = filled(frame, "claims", record_hash=F.sha2(F.coalesce("narrative", F.lit("")), 256))
    upsert(lakehouse, rows, "claims", compare=("record_hash",))


def put_narratives(context, narratives) -> dict[str, int]:
    """Put claims and, as ingest does, the passages of their narratives."""
    put_claims(context.lakehouse, narratives)
    return derive_passages(context)


def passage_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def filled(frame, table, **values):
    """The frame with every other column of the table: as given, else null, or now and 'test' where required."""
    required = {"ingested_at": F.current_timestamp(), "run_id": F.lit("test"), "first_seen": F.current_timestamp()}
    for column in CONTRACTS[table].columns:
        if column.name not in frame.columns:
            value = values.get(column.name, required.get(column.name, F.lit(None)))
            frame = frame.withColumn(column.name, value.cast(column.type))
    return frame
