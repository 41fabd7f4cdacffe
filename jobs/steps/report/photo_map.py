"""The section "Map of the photos": a sample of the embeddings in two dimensions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jobs.lakehouse.snapshot import Snapshot
from jobs.steps.report.cards import class_name
from jobs.steps.report.content import MapPoint, PhotoMap
from jobs.steps.report.figures import project
from jobs.steps.report.overview import Overview

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MAP_POINTS = 2_000
LABELS_ON_MAP = 12


def photo_map(
    snapshot: Snapshot, overview: Overview, predictions: "DataFrame", severity_map: Mapping[str, str]
) -> PhotoMap | None:
    """At most MAP_POINTS photos in two dimensions. Ids are SHA-256: their order is a fair, repeatable sample."""
    import numpy as np
    from pyspark.sql import functions as F

    total, model_key = overview.rows["embeddings"], overview.head.model_key
    if not total:
        return None
    sample = (
        snapshot.read("embeddings")
        .where((F.col("entity") == "photo") & (F.col("model_key") == model_key) & (F.col("status") == "ok"))
        .select(F.col("entity_id").alias("photo_id"), "vector")
        .orderBy("photo_id")
        .limit(MAP_POINTS)
    )
    labels = predictions.select("photo_id", F.col("labels")[0].alias("first"), "labels", "scores", "severity")
    reported = snapshot.read("claims").select("claim_id", "reported_severity")
    links = snapshot.read("claim_photos").groupBy("photo_id").agg(F.min("claim_id").alias("claim_id"))
    found = (
        sample.join(labels, "photo_id", "left")
        .join(links, "photo_id", "left")
        .join(reported, "claim_id", "left")
        .dropDuplicates(["photo_id"])
        .orderBy("photo_id")
        .select("photo_id", "vector", "labels", "scores", "severity", "claim_id", "reported_severity")
        .toArrow()
    )
    vectors = np.asarray(found.column("vector").combine_chunks().flatten(), np.float32).reshape(found.num_rows, -1)
    placed, method = project(vectors)
    by_label = overview.classified > 0
    points = []
    for row, (x, y) in zip(found.drop_columns(["vector"]).to_pylist(), placed, strict=True):
        if by_label:
            label = _main_label(row["labels"] or [], dict(row["scores"] or [])) or "not classified"
        else:
            given = (row["reported_severity"] or "").strip()
            label = severity_map.get(given.lower(), given.lower()) or "not reported"
        points.append(MapPoint(row["photo_id"], float(x), float(y), label, row["severity"], row["claim_id"]))
    points = _with_few_labels(points)
    coloured_by = "the damage class with the highest score" if by_label else "the severity that the claim reports"
    return PhotoMap(tuple(points), total, method, coloured_by, model_key)


def _with_few_labels(points: list[MapPoint], most: int = LABELS_ON_MAP) -> list[MapPoint]:
    """The points with their rarest labels gathered under `other`: a legend must stay readable."""
    common = {label for label, _ in Counter(point.label for point in points).most_common(most)}
    return [point if point.label in common else replace(point, label="other") for point in points]


def _main_label(labels: Sequence[str], scores: Mapping[str, float]) -> str:
    """The label with the highest score, as people write it; empty where there is none."""
    by_class = {key.rsplit("/", 1)[-1]: value for key, value in scores.items()}
    best = max(labels, key=lambda label: (by_class.get(label.rsplit("/", 1)[-1], 0.0), label), default="")
    return class_name(best) if best else ""
