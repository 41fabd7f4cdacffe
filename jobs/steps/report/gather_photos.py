"""The report's photos: per class, in the review queue, in mismatched claims, and on the map."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jobs.lakehouse.snapshot import Snapshot
from jobs.steps.report.content import DamageClass, MapPoint, Mismatch, PhotoCard, PhotoMap
from jobs.steps.report.figures import TILE, project
from jobs.steps.report.wording import class_name, closest_call, damage_scores

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

CLASSES_SHOWN = 12
PHOTOS_PER_CLASS = 8
REVIEW_SHOWN = 24
MISMATCHES_SHOWN = 18
THUMBNAIL_SIDE = 300
THUMBNAIL_BYTES = 16_000
"""Largest thumbnail, in bytes: with the bounded number of photos it bounds the page."""
PHOTOS_PER_MISMATCH = 3
MAP_POINTS = 2_000
LABELS_ON_MAP = 12
SEVERITY_RANK = "CASE {0} WHEN 'severe' THEN 3 WHEN 'moderate' THEN 2 WHEN 'minor' THEN 1 ELSE 0 END"
NARRATIVE_CHARACTERS = 600


@dataclass(frozen=True)
class Keys:
    """Which model, head and taxonomy the report is about; None where there is none yet."""

    model_key: str | None = None
    head_key: str | None = None
    taxonomy: str | None = None


def classified(snapshot: Snapshot, keys: Keys) -> "DataFrame":
    """The predictions of the reported model and head."""
    from pyspark.sql import functions as F

    return (
        snapshot.read("damage_predictions")
        .where((F.col("model_key") == (keys.model_key or "")) & (F.col("head_key") == (keys.head_key or "")))
        .select("photo_id", "scores", "labels", "severity", "part", "confidence", "margin", "decision")
    )


def gather_classes(predictions: "DataFrame") -> tuple[DamageClass, ...]:
    """Every class with its figures, and its photos with the highest scores."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    labelled = predictions.withColumn("label", F.explode("labels")).withColumn("score", _label_score())
    figures = (
        labelled.groupBy("label", F.coalesce("severity", F.lit("")).alias("severity"))
        .agg(
            F.count("photo_id").alias("photos"),
            F.sum(F.when(F.col("decision") == "review", 1).otherwise(0)).alias("for_review"),
            F.sum("score").alias("score"),
        )
        .collect()
    )
    totals: dict[str, int] = {}
    for row in figures:
        totals[row["label"]] = totals.get(row["label"], 0) + row["photos"]
    names = sorted(totals, key=lambda name: (name.endswith("none"), -totals[name], name))
    place = Window.partitionBy("label").orderBy(F.desc("score"), "photo_id")
    top = (
        labelled.where(F.col("label").isin(names[:CLASSES_SHOWN]))
        .withColumn("place", F.row_number().over(place))
        .where(F.col("place") <= PHOTOS_PER_CLASS)
        .orderBy("label", "place")
        .collect()
        if names
        else []
    )
    classes = []
    for name in names:
        rows = [row for row in figures if row["label"] == name]
        classes.append(
            DamageClass(
                class_name(name),
                totals[name],
                sum(row["for_review"] for row in rows),
                float(sum(row["score"] for row in rows)) / totals[name],
                {row["severity"]: row["photos"] for row in rows if row["severity"]},
                tuple(_card(row) for row in top if row["label"] == name),
            )
        )
    return tuple(classes)


def gather_review(
    snapshot: Snapshot, predictions: "DataFrame", thresholds: Mapping[str, float]
) -> tuple[PhotoCard, ...]:
    """Photos that the classifier leaves to a person, the least certain first."""
    queue = predictions.where("decision = 'review'").orderBy("margin", "photo_id").limit(REVIEW_SHOWN)
    rows = _with_claims(snapshot, queue).orderBy("margin", "photo_id").collect()
    return tuple(_card(row, row["claim_ids"], thresholds) for row in rows)


def gather_mismatches(snapshot: Snapshot, keys: Keys, predictions: "DataFrame") -> tuple[Mismatch, ...]:
    """Claims whose photos show another severity than reported: understated first, the widest gap first."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    gap = f"abs({SEVERITY_RANK.format('worst_severity')} - {SEVERITY_RANK.format('expected_severity')})"
    found = (
        snapshot.read("claim_assessments")
        .where((F.col("model_key") == (keys.model_key or "")) & (F.col("head_key") == (keys.head_key or "")))
        .where("agreement IN ('seen_worse', 'seen_milder')")
        .withColumn("gap", F.expr(gap))
        .withColumn("order", F.expr("IF(agreement = 'seen_worse', 0, 1)"))
        .orderBy("order", F.desc("gap"), "claim_id")
        .limit(MISMATCHES_SHOWN)
    )
    claims = snapshot.read("claims").select(
        "claim_id",
        F.substring("narrative", 1, NARRATIVE_CHARACTERS).alias("narrative"),
        F.concat_ws(", ", "incident_type", F.col("incident_date").cast("string")).alias("incident"),
        "amount_total",
    )
    rows = found.join(claims, "claim_id", "left").orderBy("order", F.desc("gap"), "claim_id").collect()
    if not rows:
        return ()
    place = Window.partitionBy("claim_id").orderBy(
        F.expr(SEVERITY_RANK.format("severity")).desc(), F.desc("confidence"), "photo_id"
    )
    photos = (
        snapshot.read("claim_photos")
        .select("claim_id", "photo_id")
        .join(snapshot.ids([row["claim_id"] for row in rows], "claim_id"), "claim_id", "left_semi")
        .join(predictions, "photo_id")
        .withColumn("place", F.row_number().over(place))
        .where(F.col("place") <= PHOTOS_PER_MISMATCH)
        .orderBy("claim_id", "place")
        .collect()
    )
    return tuple(
        Mismatch(
            row["claim_id"],
            row["agreement"],
            (row["reported_severity"] or "")[:60],
            row["expected_severity"],
            row["worst_severity"],
            tuple(class_name(name) for name in row["damages"]),
            row["narrative"] or "",
            (row["incident"] or "")[:80],
            row["amount_total"],
            row["photos"],
            tuple(_card(photo, (row["claim_id"],)) for photo in photos if photo["claim_id"] == row["claim_id"]),
        )
        for row in rows
    )


def gather_map(
    snapshot: Snapshot, keys: Keys, predictions: "DataFrame", severity_map: Mapping[str, str], total: int
) -> PhotoMap | None:
    """At most MAP_POINTS photos in two dimensions. Ids are SHA-256: their order is a fair, repeatable sample."""
    import numpy as np
    from pyspark.sql import functions as F

    if not total or keys.model_key is None:
        return None
    sample = (
        snapshot.read("embeddings")
        .where((F.col("entity") == "photo") & (F.col("model_key") == keys.model_key) & (F.col("status") == "ok"))
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
    by_label = keys.head_key is not None
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
    return PhotoMap(tuple(points), total, method, coloured_by, keys.model_key)


def small_photos(snapshot: Snapshot, photo_ids: Sequence[str], kind: str) -> dict[str, bytes]:
    """Small JPEGs of these photos (`thumbnail` or `tile`), made where the photos are."""
    from udfs.functions.thumbnails import thumbnail_batches, tile_batches

    wanted = sorted(set(photo_ids))
    if not wanted:
        return {}
    photos = snapshot.read("photos").where("jpeg IS NOT NULL").select("photo_id", "jpeg")
    chosen = photos.join(snapshot.ids(wanted), "photo_id", "left_semi")
    if kind == "tile":
        small = chosen.mapInArrow(tile_batches("jpeg", TILE), chosen.schema)
    else:
        small = chosen.mapInArrow(thumbnail_batches("jpeg", THUMBNAIL_SIDE, THUMBNAIL_BYTES), chosen.schema)
    rows = small.where("jpeg IS NOT NULL").collect()
    return {row["photo_id"]: bytes(row["jpeg"]) for row in rows}


def _label_score() -> "Column":
    """The score of `label` in the map `scores`, whose keys are <facet>/<class>."""
    from pyspark.sql import functions as F

    return F.expr(
        "coalesce(array_max(map_values(map_filter(scores, (key, value) -> substring_index(key, '/', -1) = "
        "substring_index(label, '/', -1)))), CAST(0 AS FLOAT))"
    )


def _with_claims(snapshot: Snapshot, photos: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F

    links = (
        snapshot.read("claim_photos")
        .join(photos.select("photo_id"), "photo_id", "left_semi")
        .groupBy("photo_id")
        .agg(F.slice(F.array_sort(F.collect_set("claim_id")), 1, 20).alias("claim_ids"))
    )
    return photos.join(links, "photo_id", "left")


def _card(row: "Row", claim_ids: Sequence[str] | None = (), thresholds: Mapping[str, float] | None = None) -> PhotoCard:
    """A row of predictions as a card; with thresholds, it says which decision was closest."""
    scores = dict(row["scores"])
    margin = float(row["margin"])
    return PhotoCard(
        row["photo_id"],
        tuple(claim_ids or ()),
        tuple(class_name(label) for label in row["labels"]),
        row["severity"],
        class_name(row["part"]) if row["part"] else None,
        damage_scores(scores, row["labels"]),
        float(row["confidence"]),
        margin,
        row["decision"],
        closest_call(scores, row["labels"], margin, thresholds) if thresholds is not None else "",
    )


def _with_few_labels(points: list[MapPoint], most: int = LABELS_ON_MAP) -> list[MapPoint]:
    """The points with their rarest labels gathered under `other`: a legend must stay readable."""
    common = {label for label, _ in Counter(point.label for point in points).most_common(most)}
    return [point if point.label in common else replace(point, label="other") for point in points]


def _main_label(labels: Sequence[str], scores: Mapping[str, float]) -> str:
    """The label with the highest score, as people write it; empty where there is none."""
    by_class = {key.rsplit("/", 1)[-1]: value for key, value in scores.items()}
    best = max(labels, key=lambda label: (by_class.get(label.rsplit("/", 1)[-1], 0.0), label), default="")
    return class_name(best) if best else ""
