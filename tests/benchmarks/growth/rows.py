"""An archive of any size, as the jobs would have left it: files on disk, and the tables that know all of them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.writes import append_new

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PHOTOS_PER_CLAIM = 10
WAVE = 4096
"""Photos that were ingested at one moment, and lie in one file: as the jobs' waves leave them."""
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
CENTRES = 1000
MODIFIED = 1_700_000_000
"""Seconds since the epoch: the time stamp of every file."""


@dataclass(frozen=True)
class Archive:
    """So many photos, their files in `folder`: a directory for each claim, ten photos in it."""

    folder: Path
    photos: int

    def path(self, number: int) -> Path:
        """Where the file of a photo is."""
        return self.folder / f"C{number // PHOTOS_PER_CLAIM:08d}" / f"{number:09d}.jpg"


def make_files(archive: Archive) -> None:
    """One byte in each: files that are known already are listed, never read. What is there is left alone."""
    for number in range(archive.photos):
        path = archive.path(number)
        if number % PHOTOS_PER_CLAIM == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(b"x")
            os.utime(path, (MODIFIED, MODIFIED))


def fill_tables(context: JobContext, archive: Archive, jpeg: bytes) -> None:
    """Rows for every photo: ingested, linked, embedded and classified by the settings' model and head.

    Args:
        context: names tables, model and taxonomy.
        archive: which files there are.
        jpeg: what every photo holds; nobody looks at it again.
    """
    from pyspark.sql import functions as F

    waves = -(-archive.photos // WAVE)
    numbers = context.spark.range(0, archive.photos, 1, waves).withColumnRenamed("id", "number")
    identity = F.sha2(F.concat(F.lit("photo-"), F.col("number").cast("string")), 256)
    claim = F.format_string("C%08d", F.floor(F.col("number") / PHOTOS_PER_CLAIM))
    path = F.concat(F.lit(f"file:{archive.folder}/"), claim, F.format_string("/%09d.jpg", F.col("number")))
    arrived = F.timestamp_seconds(F.lit(int(FIRST.timestamp())) + F.floor(F.col("number") / WAVE))
    photos = numbers.select(
        "number", identity.alias("photo_id"), claim.alias("claim_id"), path.alias("path"), arrived.alias("arrived")
    )
    file = {"modification_time": F.timestamp_seconds(F.lit(MODIFIED)), "length": F.lit(1)}
    _put(context, photos, "source_files", file)
    _put(context, photos, "photo_files", file)
    _put(context, photos, "photos", {"jpeg": F.lit(jpeg), "perceptual_hash": F.xxhash64("number")})
    _put(context, photos, "claim_photos", {"source_path": F.col("path")})
    claims = photos.where(F.col("number") % PHOTOS_PER_CLAIM == 0)
    _put(context, claims, "claims", {"reported_severity": F.lit("Minor Damage"), "record_hash": F.lit("hash")})
    model, head = context.model, context.head
    _put(
        context,
        _with_vectors(photos, model.dimension),
        "embeddings",
        {
            "entity": F.lit("photo"),
            "entity_id": F.col("photo_id"),
            "model_key": F.lit(model.model_key),
            "dimension": F.lit(model.dimension),
            "norm": F.lit(1.0),
        },
    )
    _put(
        context,
        photos,
        "damage_predictions",
        {
            "model_key": F.lit(model.model_key),
            "head_key": F.lit(head.head_key),
            "taxonomy": F.lit(head.taxonomy.name),
            "scores": F.create_map(F.lit("damage/dent"), F.rand(1).cast("float")),
            "labels": F.array(F.lit("dent")),
            "severity": F.element_at(
                F.array(*(F.lit(level) for level in ("minor", "moderate", "severe"))),
                (F.col("number") % 3 + 1).cast("int"),
            ),
            "confidence": F.lit(0.9),
            "margin": F.lit(0.5),
            "decision": F.lit("accepted"),
        },
    )


def _with_vectors(photos: "DataFrame", dimension: int) -> "DataFrame":
    """The rows and a column `vector`: around one of a thousand centres, of length one, so that neighbours are near."""
    from pyspark.sql.types import ArrayType, FloatType, StructType

    schema = StructType([*photos.schema.fields]).add("vector", ArrayType(FloatType()))
    return photos.mapInArrow(partial(_vectors, dimension=dimension), schema)


def _vectors(batches: "Iterator[pa.RecordBatch]", *, dimension: int) -> "Iterator[pa.RecordBatch]":
    centres = np.random.default_rng(0).standard_normal((CENTRES, dimension)).astype(np.float32)
    for batch in batches:
        if not batch.num_rows:
            continue
        numbers = batch.column("number").to_numpy()
        noise = np.random.default_rng(int(numbers[0])).standard_normal((len(numbers), dimension)).astype(np.float32)
        vectors = centres[numbers % CENTRES] + noise / 2
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        ends = pa.array(np.arange(0, vectors.size + 1, dimension, dtype=np.int32))
        column = pa.ListArray.from_arrays(ends, pa.array(vectors.reshape(-1)))
        yield pa.RecordBatch.from_arrays([*batch.columns, column], [*batch.schema.names, "vector"])


def _put(context: JobContext, rows: "DataFrame", table: str, values: "Mapping[str, Column]") -> None:
    """Write the rows with what the table's columns are called in `rows`, in `values`, else usual, else null."""
    from pyspark.sql import functions as F

    stamps = ("ingested_at", "first_seen", "embedded_at", "predicted_at")
    usual = {"status": F.lit("ok"), "run_id": F.lit("growth"), **dict.fromkeys(stamps, F.col("arrived"))}
    columns = []
    for column in CONTRACTS[table].columns:
        given = F.col(column.name) if column.name in rows.columns else F.lit(None)
        value = values.get(column.name, usual.get(column.name, given))
        columns.append(value.cast(column.type).alias(column.name))
    append_new(context.lakehouse, rows.select(*columns), table)
