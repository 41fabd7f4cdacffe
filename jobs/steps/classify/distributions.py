"""What the predictions of a classifier come to."""

from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.job.head import CurrentHead, predictions
from jobs.job.last_report import last_report
from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS
from udfs.heads.severity import NOTHING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FIGURES = ("label_distribution", "severity_distribution", "decisions", "score_quantiles")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def current_distributions(context: JobContext, head: CurrentHead) -> dict[str, Any]:
    """What the predictions of the head come to; taken from the last classify's report where none has come since."""
    version = context.lakehouse.version(DAMAGE_PREDICTIONS.name)
    last = last_report(context, "classify", "done", "nothing_to_do", "skipped") or {}
    same = last.get("versions_out", {}).get(DAMAGE_PREDICTIONS.name) == version
    if same and last.get("head_key") == head.head_key and all(name in last for name in FIGURES):
        return {name: last[name] for name in FIGURES}
    return distributions(predictions(context, head))


def distributions(rows: "DataFrame") -> dict[str, Any]:
    """What predictions come to: photos per label, severity and decision, and quantiles of every score."""
    from pyspark.sql import functions as F

    grouped = rows.groupBy("severity", "decision").count().collect()
    severities: dict[str, int] = {}
    decisions = {"accepted": 0, "review": 0}
    for row in grouped:
        severity = row["severity"] or NOTHING
        severities[severity] = severities.get(severity, 0) + row["count"]
        decisions[row["decision"]] += row["count"]
    labelled = rows.select(F.explode("labels").alias("label")).groupBy("label").count()
    labels = labelled.orderBy("label").collect()
    scores = rows.select(F.explode("scores").alias("name", "score")).groupBy("name")
    middle = F.percentile_approx("score", list(QUANTILES)).alias("quantiles")
    quantiles = scores.agg(middle).orderBy("name").collect()
    return {
        "label_distribution": {row["label"]: row["count"] for row in labels},
        "severity_distribution": dict(sorted(severities.items())),
        "decisions": decisions,
        "score_quantiles": {
            row["name"]: {
                f"p{round(share * 100):02d}": round(float(value), 4)
                for share, value in zip(QUANTILES, row["quantiles"], strict=True)
            }
            for row in quantiles
        },
    }
