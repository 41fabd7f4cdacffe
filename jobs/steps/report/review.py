"""The section "Review queue": photos that the classifier leaves to a person."""

from typing import TYPE_CHECKING

from jobs.lakehouse.snapshot import Snapshot
from jobs.steps.report.cards import photo_card
from jobs.steps.report.content import PhotoCard

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

REVIEW_SHOWN = 24
CLAIMS_PER_PHOTO = 20


def review_queue(snapshot: Snapshot, predictions: "DataFrame") -> tuple[PhotoCard, ...]:
    """The least certain photos first; those of a classifier that knows no margin come last."""
    from pyspark.sql import functions as F

    order = (F.asc_nulls_last("margin"), F.asc("photo_id"))
    queue = predictions.where("decision = 'review'").orderBy(*order).limit(REVIEW_SHOWN)
    links = (
        snapshot.read("claim_photos")
        .join(queue.select("photo_id"), "photo_id", "left_semi")
        .groupBy("photo_id")
        .agg(F.slice(F.array_sort(F.collect_set("claim_id")), 1, CLAIMS_PER_PHOTO).alias("claim_ids"))
    )
    rows = queue.join(links, "photo_id", "left").orderBy(*order).collect()
    return tuple(photo_card(row, row["claim_ids"], with_reason=True) for row in rows)
