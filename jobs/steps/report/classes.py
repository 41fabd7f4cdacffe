"""The section "Photos per damage class": every class with its figures and its clearest photos."""

from typing import TYPE_CHECKING

from jobs.steps.report.cards import class_name, photo_card
from jobs.steps.report.content import DamageClass

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

CLASSES_SHOWN = 12
PHOTOS_PER_CLASS = 8


def damage_classes(predictions: "DataFrame", none_class: str | None) -> tuple[DamageClass, ...]:
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
    names = sorted(totals, key=lambda name: (name == none_class, -totals[name], name))
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
                tuple(photo_card(row) for row in top if row["label"] == name),
            )
        )
    return tuple(classes)


def _label_score() -> "Column":
    """The score of `label` in the map `scores`, whose keys are <facet>/<class>."""
    from pyspark.sql import functions as F

    return F.expr(
        "coalesce(array_max(map_values(map_filter(scores, (key, value) -> substring_index(key, '/', -1) = "
        "substring_index(label, '/', -1)))), CAST(0 AS FLOAT))"
    )
