"""Bring the vector index in step with the tables: adds, changes and deletes, reckoned and proved by checksum."""

from typing import TYPE_CHECKING

from jobs.job.spec import Job

if TYPE_CHECKING:
    from jobs.job.context import JobContext
    from jobs.job.report import Report


def run(context: "JobContext") -> "Report":
    """Follow the tables' change feeds into the index of the current model, or build it anew where they cannot say.

    The versions that the index has followed advance only after it was written; its contents are proved after a rebuild,
    after a crash, and every index.verify_every syncs. One that is damaged, or that the proof finds wrong, is built anew
    at once, and the report's `reason` says why. Running it again changes nothing. A dry run creates nothing.

    Raises:
        IndexMismatchError: the directory belongs to another model, or the index does not hold what the tables say
            although it was just built anew.
        ModelError: the model's key cannot be determined.
        ClaimlensError: another run writes the index.
    """
    from jobs.steps.sync_index.sync import sync

    return sync(context, context.model.model_key, context.model.dimension, context.head.head_key)


JOB = Job("sync-index", "Bring the vector index in step with the tables.", run)
