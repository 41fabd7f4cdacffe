"""The section "Reported against seen": claims whose photos show another severity than was reported."""

from typing import TYPE_CHECKING

from jobs.job.head import CurrentHead, of_head
from jobs.lakehouse.snapshot import Snapshot
from jobs.steps.report.cards import class_name, photo_card
from jobs.steps.report.content import Mismatch
from udfs.heads.severity import LEVELS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

MISMATCHES_SHOWN = 18
PHOTOS_PER_MISMATCH = 3
NARRATIVE_CHARACTERS = 600


def mismatched_claims(snapshot: Snapshot, head: CurrentHead, predictions: "DataFrame") -> tuple[Mismatch, ...]:
    """Claims whose photos show another severity than reported: understated first, the widest gap first."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    found = (
        of_head(snapshot.read("claim_assessments"), head)
        .where("agreement IN ('seen_worse', 'seen_milder')")
        .withColumn("gap", F.abs(_rank("worst_severity") - _rank("expected_severity")))
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
    place = Window.partitionBy("claim_id").orderBy(_rank("severity").desc(), F.desc("confidence"), "photo_id")
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
            tuple(photo_card(photo, (row["claim_id"],)) for photo in photos if photo["claim_id"] == row["claim_id"]),
        )
        for row in rows
    )


def _rank(severity: str) -> "Column":
    """Position of a severity column on the scale; 0 where nothing is damaged."""
    from pyspark.sql import functions as F

    scale = F.array(*(F.lit(level) for level in LEVELS))
    return F.greatest(F.array_position(scale, F.coalesce(severity, F.lit(LEVELS[0]))) - 1, F.lit(0))
