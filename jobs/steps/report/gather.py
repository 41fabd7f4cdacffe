"""The page's content, section by section: every read is bounded before it reaches the driver."""

from dataclasses import replace

from jobs.job.context import JobContext
from jobs.lakehouse.snapshot import Snapshot
from jobs.steps.report.classes import damage_classes
from jobs.steps.report.content import Content, Totals
from jobs.steps.report.duplicates import shared_photos
from jobs.steps.report.failures import failure_groups
from jobs.steps.report.mismatches import mismatched_claims
from jobs.steps.report.overview import Overview, not_classified, predictions_of
from jobs.steps.report.photo_map import photo_map
from jobs.steps.report.processed import headline_figures, latest_runs
from jobs.steps.report.review import review_queue
from jobs.steps.report.thumbnails import thumbnails_of, tiles_of


def gather_content(context: JobContext, snapshot: Snapshot, overview: Overview) -> Content:
    """Everything on the page, with its photos made small. What the overview has counted as nothing is not asked for."""
    settings, head = context.settings, overview.head
    predictions = predictions_of(snapshot, head)
    none_class = head.taxonomy.none_class
    classes = damage_classes(predictions, none_class) if overview.classified else ()
    duplicates = shared_photos(snapshot, settings.report.near_duplicate_distance)
    points = photo_map(snapshot, overview, predictions, settings.assess.severity_map)
    keys = {"taxonomy": head.taxonomy.name, "model": head.model_key, "head": head.head_key}
    content = Content(
        generated_at=context.clock(),
        place=settings.place,
        figures=headline_figures(overview),
        runs=latest_runs(snapshot),
        failures=failure_groups(snapshot, overview),
        classes=classes,
        review=review_queue(snapshot, predictions) if overview.for_review else (),
        mismatches=mismatched_claims(snapshot, head, predictions) if overview.mismatched_claims else (),
        duplicates=duplicates.groups,
        photo_map=points,
        totals=Totals(
            review_queue=overview.for_review,
            mismatched_claims=overview.mismatched_claims,
            near_duplicate_pairs=duplicates.pairs,
            shared_photos=duplicates.shared_photos,
            duplicate_groups=duplicates.group_count,
            classified=overview.classified,
            classes=len(classes),
        ),
        duplicate_distance=settings.report.near_duplicate_distance,
        notes={"duplicates": duplicates.note} if duplicates.note else {},
        missing=what_is_missing(overview),
        keys=keys if head.reason_to_skip is None else {"model": head.model_key},
    )
    return replace(
        content,
        thumbnails=thumbnails_of(snapshot, content.shown_photos()),
        tiles=tiles_of(snapshot, [point.photo_id for point in points.points] if points else []),
    )


def what_is_missing(overview: Overview) -> dict[str, str]:
    """Per section that has nothing to show: why, and which job makes it."""
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
        missing["map"] = "No photo has a vector of the current model yet. Run claimlens embed."
    if not overview.classified:
        missing["classes"] = missing["review"] = not_classified(overview)
    if not rows["claim_assessments"]:
        first = "claimlens assess" if overview.classified else "claimlens classify, then claimlens assess"
        missing["mismatches"] = f"No claim has been assessed by the current classifier yet. Run {first}."
    return missing
