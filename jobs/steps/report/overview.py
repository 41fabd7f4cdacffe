"""One look at every table: what a dry run needs, and what the page's sections need to know of each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.job.head import CurrentHead, of_head
from jobs.lakehouse.snapshot import Snapshot

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Overview:
    """Row counts, failures by stage and code, and what there is of the current classifier.

    `others` are the taxonomies of other classifiers that have predictions, where the current one has none.
    """

    head: CurrentHead
    rows: Mapping[str, int]
    failed: Mapping[tuple[str, str], int]
    agreement: Mapping[str, int]
    for_review: int
    texts: int
    other_models: int
    others: tuple[str, ...]

    @property
    def classified(self) -> int:
        """Photos with a prediction of the current classifier."""
        return self.rows["damage_predictions"]

    @property
    def mismatched_claims(self) -> int:
        """Claims whose photos show worse or milder damage than was reported."""
        return self.agreement.get("seen_worse", 0) + self.agreement.get("seen_milder", 0)


def look_over(snapshot: Snapshot, head: CurrentHead) -> Overview:
    """Counts only. Most of these queries read a whole table, but of few and small columns."""
    from pyspark.sql import functions as F

    rows: dict[str, int] = {}
    failed: dict[tuple[str, str], int] = {}
    for row in snapshot.read("photos").groupBy("status", "error_code").count().collect():
        rows["photos"] = rows.get("photos", 0) + row["count"]
        if row["status"] == "failed":
            failed["photos", row["error_code"]] = row["count"]
        else:
            rows["photos_ok"] = row["count"]
    for table in ("claims", "photo_files", "index_state"):  # of bare counts Delta's log tells the answer
        rows[table] = snapshot.read(table).count()
    rows["indexed"] = snapshot.read("index_state").agg(F.coalesce(F.sum("rows"), F.lit(0))).collect()[0][0]
    links = snapshot.read("claim_photos").agg(F.countDistinct("claim_id"), F.countDistinct("photo_id")).collect()[0]
    rows["claims_with_photos"], rows["photos_with_claims"] = links[0], links[1]

    embedded = snapshot.read("embeddings").groupBy("entity", "model_key", "status", "error_code").count().collect()
    current = [row for row in embedded if row["model_key"] == head.model_key]
    for row in current:
        if row["status"] == "failed":
            failed["embeddings", row["error_code"]] = failed.get(("embeddings", row["error_code"]), 0) + row["count"]
    done = [row for row in current if row["status"] == "ok"]
    rows["embeddings"] = sum(row["count"] for row in done if row["entity"] == "photo")
    predicted = snapshot.read("damage_predictions").groupBy("model_key", "head_key", "taxonomy", "decision")
    found = predicted.count().collect()
    decided = [row for row in found if (row["model_key"], row["head_key"]) == (head.model_key, head.head_key)]
    rows["damage_predictions"] = sum(row["count"] for row in decided)
    assessed = of_head(snapshot.read("claim_assessments"), head).groupBy("agreement", "review").count().collect()
    agreement: dict[str, int] = {}
    for row in assessed:
        agreement[row["agreement"]] = agreement.get(row["agreement"], 0) + row["count"]
    rows["claim_assessments"] = sum(agreement.values())
    rows["claims_for_review"] = sum(row["count"] for row in assessed if row["review"])
    return Overview(
        head,
        rows,
        failed,
        agreement,
        for_review=sum(row["count"] for row in decided if row["decision"] == "review"),
        texts=sum(row["count"] for row in done if row["entity"] != "photo"),
        other_models=len({row["model_key"] for row in embedded} - {head.model_key}),
        others=() if decided else tuple(sorted({f"{row['taxonomy']} ({row['head_key']})" for row in found})),
    )


def predictions_of(snapshot: Snapshot, head: CurrentHead) -> "DataFrame":
    """The predictions that the page is about."""
    columns = ("photo_id", "scores", "labels", "severity", "part", "confidence", "margin", "closest", "decision")
    return of_head(snapshot.read("damage_predictions"), head).select(*columns)


def not_classified(overview: Overview) -> str:
    """Why there is nothing of the current classifier, and what mends it."""
    if overview.head.reason_to_skip:
        return f"No photo is classified. {overview.head.reason_to_skip}"
    if overview.others:
        others = ", ".join(overview.others)
        return (
            f"The tables hold predictions of other classifiers only: {others}. The current one is "
            f"{overview.head.taxonomy.name} ({overview.head.head_key}). Run claimlens classify, or set "
            "classify.taxonomy and models.photo to what the others were made with."
        )
    return "No photo has been classified yet. Run claimlens classify."
