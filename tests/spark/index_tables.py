"""Tables with the few rows that an index needs, and what an index of them holds."""

from pathlib import Path

import numpy as np
from pyspark.sql import functions as F

from jobs.index.opening import open_reader
from jobs.index.stores.lance.dataset import index_location, opened
from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.writes import delete_keys, upsert
from jobs.steps.sync_index.sync import sync
from jobs.steps.verify.verify import verify

MODEL, HEAD, DIMENSION = "model-a", "head-a", 4


def photo_id(number):
    return f"{number:064x}"


def vector(number):
    angle = number / 10
    return [float(np.cos(angle)), float(np.sin(angle)), 0.0, 0.0]


def filled(spark, table, rows):
    """Rows of a contract from dictionaries; the columns not named are null or the contract's ordinary values."""
    ordinary = {
        "status": "ok",
        "run_id": "run",
        "record_hash": "hash",
        "scores": {},
        "taxonomy": "vehicle",
        "photos": 1,
    }
    ordinary |= {"photos_classified": 1, "damages": [], "review_reasons": [], "agreement": "agrees", "review": False}
    stamps = {"ingested_at", "first_seen", "embedded_at", "predicted_at", "assessed_at"}
    columns = CONTRACTS[table].columns
    records = [tuple(row.get(column.name, ordinary.get(column.name)) for column in columns) for row in rows]
    frame = spark.createDataFrame(records, CONTRACTS[table].schema)
    for name in stamps & {column.name for column in columns}:
        frame = frame.withColumn(name, F.current_timestamp())
    return frame


class Tables:
    """A lakehouse in a test's directory, with the few rows that an index needs."""

    def __init__(self, context):
        self.context, self.spark, self.lakehouse = context, context.spark, context.lakehouse

    def add_photos(self, numbers, claim="C-1"):
        self.append("photos", [{"photo_id": photo_id(number), "jpeg": b"jpeg"} for number in numbers])
        self.embed("photo", {photo_id(number): vector(number) for number in numbers})
        self.append("claim_photos", [{"claim_id": claim, "photo_id": photo_id(number)} for number in numbers])

    def embed(self, entity, vectors):
        rows = [
            {"entity": entity, "entity_id": entity_id, "model_key": MODEL, "vector": held, "dimension": 4, "norm": 1.0}
            for entity_id, held in vectors.items()
        ]
        self.append("embeddings", rows)

    def append(self, table, rows):
        self.lakehouse.ensure(table)
        filled(self.spark, table, rows).write.format("delta").mode("append").save(self.lakehouse.path(table))

    def predict(self, numbers, severity, head=HEAD):
        rows = [
            {"photo_id": photo_id(number), "model_key": MODEL, "head_key": head, "labels": ["dent"]}
            | {"severity": severity, "confidence": 0.9, "margin": 0.5, "decision": "accepted"}
            for number in numbers
        ]
        frame = filled(self.spark, "damage_predictions", rows)
        upsert(self.lakehouse, frame, "damage_predictions", compare=("severity",))

    def claims(self, **severities):
        rows = [
            {"claim_id": claim.replace("_", "-"), "reported_severity": value} for claim, value in severities.items()
        ]
        upsert(self.lakehouse, filled(self.spark, "claims", rows), "claims", compare=("reported_severity",))

    def delete(self, table, column, value):
        delete_keys(self.lakehouse, self.spark.createDataFrame([(value,)], f"{column} string"), table)


def synced(tables, head=HEAD):
    return sync(tables.context.next_job(), MODEL, DIMENSION, head).as_dict()


def reader_of(tables):
    return open_reader(tables.context.settings.index, MODEL)


def held(tables):
    """Photos of the index by number."""
    found = reader_of(tables).nearest(np.eye(1, 4, dtype=np.float32), 1000, with_vectors=True)
    return {int(row.entity_id, 16): row for row in found}


def dataset_of(tables):
    return opened(index_location(tables.context.settings.index.root, MODEL))


def did(report):
    return tuple(report[name] for name in ("status", "mode", "added", "changed", "deleted"))


def proved(tables):
    return verify(tables.context.next_job(), MODEL, DIMENSION).as_dict()["checksum"]


def on_disk(folder, needle):
    return any(needle.encode() in path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())


def tree(folder):
    return sorted(str(path) for path in Path(folder).rglob("*"))
