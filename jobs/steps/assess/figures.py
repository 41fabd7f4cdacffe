"""What the assessments of one classifier come to. Counts only: this goes to job_runs, which outlives a claim."""

from typing import TYPE_CHECKING, Any

from udfs.assessment import Agreement

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

WORDS_LISTED = 50


def figures_of(assessments: "DataFrame") -> dict[str, Any]:
    """Counts per agreement and review reason, and the reported words that the severity map does not know."""
    from pyspark.sql import functions as F

    unmapped = F.when(F.col("expected_severity").isNull(), F.nullif(F.trim("reported_severity"), F.lit("")))
    rows = assessments.select("agreement", "review_reasons", unmapped.alias("unmapped"))
    agreement = {str(name): 0 for name in Agreement}
    reasons: dict[str, int] = {}
    claims = review = 0
    for row in rows.groupBy("agreement", "review_reasons").count().collect():
        number = row["count"]
        claims += number
        agreement[row["agreement"]] += number
        review += number if row["review_reasons"] else 0
        for reason in row["review_reasons"]:
            reasons[reason] = reasons.get(reason, 0) + number
    words = rows.where("unmapped IS NOT NULL").groupBy("unmapped").count()
    listed = words.orderBy(F.desc("count"), "unmapped").limit(WORDS_LISTED).collect()
    return {
        "claims": claims,
        "agreement": agreement,
        "claims_for_review": review,
        "review_reasons": dict(sorted(reasons.items())),
        "unmapped_severities": {row["unmapped"]: row["count"] for row in listed},
    }
