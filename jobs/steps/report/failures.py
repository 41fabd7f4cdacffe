"""The section "What failed, and why": per code its meaning, its remedy, and examples."""

from jobs.lakehouse.snapshot import Snapshot
from jobs.steps.report.content import FailureExample, FailureGroup
from jobs.steps.report.overview import Overview
from udfs.outcome import explain

EXAMPLES_PER_CODE = 5


def failure_groups(snapshot: Snapshot, overview: Overview) -> tuple[FailureGroup, ...]:
    """All that failed, by stage and code, the most frequent first."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    if not overview.failed:
        return ()
    columns = ("photo_id", "error_code", "error_detail")
    photos = snapshot.read("photos").where("status = 'failed'")
    vectors = snapshot.read("embeddings").where(
        (F.col("status") == "failed") & (F.col("model_key") == overview.head.model_key)
    )
    failed = photos.select(F.lit("photos").alias("stage"), *columns).unionByName(
        vectors.withColumnRenamed("entity_id", "photo_id").select(F.lit("embeddings").alias("stage"), *columns)
    )
    place = Window.partitionBy("stage", "error_code").orderBy("photo_id")
    shown = failed.withColumn("place", F.row_number().over(place)).where(F.col("place") <= EXAMPLES_PER_CODE)
    files = snapshot.read("photo_files").join(shown.select("photo_id").distinct(), "photo_id", "left_semi")
    rows = (
        shown.join(files.groupBy("photo_id").agg(F.min("path").alias("path")), "photo_id", "left")
        .select("stage", "error_code", F.coalesce("path", "photo_id").alias("path"), "error_detail")
        .orderBy("path")
        .collect()
    )
    groups = []
    for (stage, code), count in sorted(overview.failed.items(), key=lambda item: (-item[1], item[0])):
        explanation, remedy = explain(code)
        examples = tuple(
            FailureExample(row["path"][:500], (row["error_detail"] or "")[:300])
            for row in rows
            if (row["stage"], row["error_code"]) == (stage, code)
        )
        groups.append(FailureGroup(stage, code, count, explanation, remedy, examples))
    return tuple(groups)
