"""Gathers the report's content from the tables: every read is bounded before it reaches the driver."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.snapshot import Snapshot
from jobs.steps.report.content import (
    Content,
    FailureExample,
    FailureGroup,
    RunFigure,
    TableFigure,
    Totals,
)
from jobs.steps.report.gather_duplicates import gather_duplicates
from jobs.steps.report.gather_photos import (
    Keys,
    classified,
    gather_classes,
    gather_map,
    gather_mismatches,
    gather_review,
    small_photos,
)
from udfs.errors import TaxonomyError
from udfs.outcome import explain

if TYPE_CHECKING:
    from pyspark.sql import Row

RUNS_SHOWN = 12
EXAMPLES_PER_CODE = 5


@dataclass(frozen=True)
class Overview:
    """One look at every table: row counts, failures by stage and code, and which model is reported on."""

    rows: Mapping[str, int]
    failed: Mapping[tuple[str, str], int]
    keys: Keys
    agreement: Mapping[str, int]
    for_review: int
    passages: int
    other_models: int


def gather_overview(snapshot: Snapshot) -> Overview:
    """Counts only: what a dry run needs."""
    from pyspark.sql import functions as F

    rows: dict[str, int] = {}
    failed: dict[tuple[str, str], int] = {}
    for row in snapshot.read("photos").groupBy("status", "error_code").count().collect():
        rows["photos"] = rows.get("photos", 0) + row["count"]
        if row["status"] == "failed":
            failed["photos", row["error_code"]] = row["count"]
        else:
            rows["photos_ok"] = row["count"]
    for table, key in (("claims", "claim_id"), ("photo_files", "path"), ("index_state", "index_name")):
        rows[table] = snapshot.read(table).agg(F.count(key)).collect()[0][0]
    rows["indexed"] = snapshot.read("index_state").agg(F.coalesce(F.sum("rows"), F.lit(0))).collect()[0][0]
    links = snapshot.read("claim_photos").agg(F.countDistinct("claim_id"), F.countDistinct("photo_id")).collect()[0]
    rows["claims_with_photos"], rows["photos_with_claims"] = links[0], links[1]

    embedded = _embedded(snapshot)
    predicted = _predicted(snapshot)
    keys = _reported_keys(embedded, predicted)
    for row in embedded:
        if row["model_key"] == keys.model_key and row["status"] == "failed":
            failed["embeddings", row["error_code"]] = failed.get(("embeddings", row["error_code"]), 0) + row["count"]
    current = [row for row in embedded if row["model_key"] == keys.model_key and row["status"] == "ok"]
    rows["embeddings"] = sum(row["count"] for row in current if row["entity"] == "photo")
    decided = [row for row in predicted if (row["model_key"], row["head_key"]) == (keys.model_key, keys.head_key)]
    rows["damage_predictions"] = sum(row["count"] for row in decided)
    assessed = (
        snapshot.read("claim_assessments")
        .where((F.col("model_key") == (keys.model_key or "")) & (F.col("head_key") == (keys.head_key or "")))
        .groupBy("agreement", "review")
        .count()
        .collect()
    )
    agreement: dict[str, int] = {}
    for row in assessed:
        agreement[row["agreement"]] = agreement.get(row["agreement"], 0) + row["count"]
    rows["claim_assessments"] = sum(agreement.values())
    rows["claims_for_review"] = sum(row["count"] for row in assessed if row["review"])
    return Overview(
        rows,
        failed,
        keys,
        agreement,
        for_review=sum(row["count"] for row in decided if row["decision"] == "review"),
        passages=sum(row["count"] for row in current if row["entity"] == "passage"),
        other_models=len({row["model_key"] for row in embedded} - {keys.model_key}),
    )


def gather_content(context: JobContext, snapshot: Snapshot, overview: Overview) -> Content:
    """Everything on the page, with its photos made small."""
    settings = context.settings
    keys = overview.keys
    predictions = classified(snapshot, keys)
    # What the overview has counted as nothing needs no query of its own.
    classes = gather_classes(predictions) if overview.rows["damage_predictions"] else ()
    mismatches = gather_mismatches(snapshot, keys, predictions) if mismatched_claims(overview) else ()
    duplicates = gather_duplicates(snapshot, settings.report.near_duplicate_distance)
    photo_map = gather_map(snapshot, keys, predictions, settings.assess.severity_map, overview.rows["embeddings"])
    content = Content(
        generated_at=context.clock(),
        place=settings.place,
        figures=_figures(overview),
        runs=_runs(snapshot),
        failures=_failures(snapshot, overview),
        classes=classes,
        review=gather_review(snapshot, predictions, _thresholds(context, keys)) if overview.for_review else (),
        mismatches=mismatches,
        duplicates=duplicates.groups,
        photo_map=photo_map,
        totals=Totals(
            review_queue=overview.for_review,
            mismatched_claims=mismatched_claims(overview),
            near_duplicate_pairs=duplicates.pairs,
            shared_photos=duplicates.shared_photos,
            duplicate_groups=duplicates.group_count,
            classified=overview.rows["damage_predictions"],
            classes=len(classes),
        ),
        duplicate_distance=settings.report.near_duplicate_distance,
        notes={"duplicates": duplicates.note} if duplicates.note else {},
        missing=_missing(overview),
        keys={name: value for name, value in (("model", keys.model_key), ("head", keys.head_key)) if value}
        | ({"taxonomy": keys.taxonomy} if keys.taxonomy else {}),
    )
    points = [point.photo_id for point in photo_map.points] if photo_map else []
    return replace(
        content,
        thumbnails=small_photos(snapshot, content.shown_photos(), "thumbnail"),
        tiles=small_photos(snapshot, points, "tile"),
    )


def _thresholds(context: JobContext, keys: Keys) -> dict[str, float]:
    """The label thresholds of the settings' taxonomy; none where it is not the one that is reported on."""
    from udfs.heads.taxonomy_file import load_taxonomy

    try:
        taxonomy = load_taxonomy(context.settings.classify.taxonomy)
    except TaxonomyError:
        return {}
    if taxonomy.name != keys.taxonomy:
        return {}
    return {entry.name: entry.threshold for entry in taxonomy.label_facet.scored_classes}


def mismatched_claims(overview: Overview) -> int:
    """Claims whose photos show worse or milder damage than was reported."""
    return overview.agreement.get("seen_worse", 0) + overview.agreement.get("seen_milder", 0)


def _embedded(snapshot: Snapshot) -> "list[Row]":
    from pyspark.sql import functions as F

    return (
        snapshot.read("embeddings")
        .groupBy("entity", "model_key", "status", "error_code")
        .agg(F.count("entity_id").alias("count"), F.unix_micros(F.max("embedded_at")).alias("newest"))
        .collect()
    )


def _predicted(snapshot: Snapshot) -> "list[Row]":
    from pyspark.sql import functions as F

    return (
        snapshot.read("damage_predictions")
        .groupBy("model_key", "head_key", "taxonomy", "decision")
        .agg(F.count("photo_id").alias("count"), F.unix_micros(F.max("predicted_at")).alias("newest"))
        .collect()
    )


def _reported_keys(embedded: "list[Row]", predicted: "list[Row]") -> Keys:
    """The model and head whose predictions are the newest; without predictions, the newest model."""
    if predicted:
        newest = max(predicted, key=lambda row: (row["newest"], row["model_key"], row["head_key"]))
        return Keys(newest["model_key"], newest["head_key"], newest["taxonomy"])
    photos = [row for row in embedded if row["entity"] == "photo"] or embedded
    if photos:
        return Keys(max(photos, key=lambda row: (row["newest"], row["model_key"]))["model_key"])
    return Keys()


def _figures(overview: Overview) -> tuple[TableFigure, ...]:
    rows = overview.rows
    without_photo = rows["claims"] - min(rows["claims"], rows["claims_with_photos"])
    unlinked = rows.get("photos", 0) - min(rows.get("photos", 0), rows["photos_with_claims"])
    failed = sum(count for (stage, _), count in overview.failed.items() if stage == "photos")
    others = f"; {overview.other_models} other models stored" if overview.other_models else ""
    return (
        TableFigure("Claims", rows["claims"], f"{without_photo:,} without a photo"),
        TableFigure("Photo files", rows["photo_files"], f"{rows.get('photos', 0):,} distinct photos"),
        TableFigure("Usable photos", rows.get("photos_ok", 0), f"{failed:,} failed, {unlinked:,} without a claim"),
        TableFigure("Photo vectors", rows["embeddings"], f"{overview.passages:,} passage vectors{others}"),
        TableFigure("Classified photos", rows["damage_predictions"], f"{overview.for_review:,} for review"),
        TableFigure(
            "Assessed claims",
            rows["claim_assessments"],
            f"{mismatched_claims(overview):,} disagree with the report",
        ),
        TableFigure(
            "Indexed rows",
            rows["indexed"],
            f"in {rows['index_state']:,} {'index' if rows['index_state'] == 1 else 'indexes'}",
        ),
    )


def _runs(snapshot: Snapshot) -> tuple[RunFigure, ...]:
    from pyspark.sql import functions as F

    found = (
        snapshot.read("job_runs")
        .orderBy(F.desc("finished_at"), "run_id")
        .limit(RUNS_SHOWN)
        .select(
            "job",
            "status",
            F.unix_micros("finished_at").alias("finished"),
            "rows_in",
            "written",
            "skipped",
            "failed",
            "seconds",
            "photos_per_second",
        )
        .collect()
    )
    return tuple(
        RunFigure(
            row["job"],
            row["status"],
            datetime.fromtimestamp(row["finished"] / 1e6, UTC),
            row["rows_in"],
            row["written"],
            row["skipped"],
            row["failed"],
            row["seconds"],
            row["photos_per_second"],
        )
        for row in found
    )


def _failures(snapshot: Snapshot, overview: Overview) -> tuple[FailureGroup, ...]:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    if not overview.failed:
        return ()
    files = snapshot.read("photo_files").groupBy("photo_id").agg(F.min("path").alias("path"))
    photos = snapshot.read("photos").where("status = 'failed'")
    vectors = (
        snapshot.read("embeddings")
        .where((F.col("status") == "failed") & (F.col("model_key") == (overview.keys.model_key or "")))
        .withColumnRenamed("entity_id", "photo_id")
    )
    columns = ("photo_id", "error_code", "error_detail")
    failed = photos.select(F.lit("photos").alias("stage"), *columns).unionByName(
        vectors.select(F.lit("embeddings").alias("stage"), *columns)
    )
    place = Window.partitionBy("stage", "error_code").orderBy("photo_id")
    rows = (
        failed.withColumn("place", F.row_number().over(place))
        .where(F.col("place") <= EXAMPLES_PER_CODE)
        .join(files, "photo_id", "left")
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


def _missing(overview: Overview) -> dict[str, str]:
    rows = overview.rows
    missing: dict[str, str] = {}
    if not rows.get("photos"):
        missing["failures"] = "No photos have been ingested yet. Run claimlens ingest."
        missing["duplicates"] = "No photos have been ingested yet. Run claimlens ingest."
    elif not rows["photos_with_claims"]:
        missing["duplicates"] = (
            "No photo is linked to a claim, so nothing can be shared between claims. "
            "Set ingest.links and run claimlens ingest."
        )
    if not rows["embeddings"]:
        missing["map"] = "No photo has a vector yet. Run claimlens embed."
    if not rows["damage_predictions"]:
        said = (
            "No photo has been classified yet. Run claimlens classify; it needs a model with a text tower, "
            "such as CLIP or SigLIP, or a fitted head."
        )
        missing["classes"] = said
        missing["review"] = said
    if not rows["claim_assessments"]:
        first = "claimlens assess" if rows["damage_predictions"] else "claimlens classify, then claimlens assess"
        missing["mismatches"] = f"No claim has been assessed yet. Run {first}."
    return missing
