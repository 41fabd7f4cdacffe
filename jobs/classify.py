"""Classify photos from their stored vectors: no pixels, one matrix product, prompts of a taxonomy."""

from typing import TYPE_CHECKING

from jobs.job.report import Counts, Report
from jobs.job.spec import Job

if TYPE_CHECKING:
    from jobs.job.context import JobContext


def run(context: "JobContext") -> Report:
    """Give every embedded photo its prediction under the current model_key and head_key, where it has none.

    The predictions of photos that are gone are removed.

    Raises:
        TaxonomyError: the taxonomy is malformed.
        ModelError: the model cannot be loaded.
    """
    from jobs.job.settled import TABLE_IDS, settled
    from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS, HEADS, PHOTOS
    from jobs.steps.classify.distributions import current_distributions
    from jobs.steps.classify.waves import classify_pending, pending_photos, remove_stale

    head = context.head
    details = head.details
    if head.reason_to_skip:
        details["reason"] = head.reason_to_skip
        return Report("classify", context.run_id, "skipped", Counts(), details=details)
    if not context.dry_run:
        context.lakehouse.ensure(DAMAGE_PREDICTIONS.name, HEADS.name)
    pinned_at = context.clock()
    snapshot = context.pin("embeddings", DAMAGE_PREDICTIONS.name, PHOTOS.name)
    if not context.dry_run:
        left = settled(context, "classify", snapshot, details)
        if left is not None:
            return left
    pending, *there = pending_photos(snapshot, head)
    total = pending.total
    if context.dry_run:
        waiting = pending.keys.count() if pending.differing else 0
        counts = Counts(rows_in=total, skipped=total - waiting)
        return Report("classify", context.run_id, "dry_run", counts, details={**details, "pending": waiting})
    waiting, written = classify_pending(context, pending, pinned_at, *there) if pending.differing else (0, 0)
    removed = sum(remove_stale(context, photos) for photos in there if photos.differing)
    status = "done" if waiting or removed else "nothing_to_do"
    details |= {"stale_removed": removed, TABLE_IDS: snapshot.table_ids} | current_distributions(context, head)
    return Report(
        "classify",
        context.run_id,
        status,
        Counts(rows_in=total, written=written, skipped=total - written),
        versions_in=snapshot.versions,
        versions_out=context.lakehouse.versions(DAMAGE_PREDICTIONS.name),
        details=details,
    )


JOB = Job("classify", "Name the damage in each photo from its vector.", run)
