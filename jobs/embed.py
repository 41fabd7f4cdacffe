"""Embed photos and passages: bounded waves of what has no vector yet under the current model_key."""

from typing import TYPE_CHECKING

from jobs.job.report import Report
from jobs.job.retries import RetryFailed
from jobs.job.spec import Job

if TYPE_CHECKING:
    from jobs.job.context import JobContext


def run(context: "JobContext", *, retry_failed: RetryFailed = None) -> Report:
    """Give every sanitised photo, and every passage where the model reads text, its vector.

    What to do is what the tables lack for this model_key; so resuming, retrying and backfilling are this same job.
    New photos are classified in the same pass when embed.classify is on and the head reads the model's vectors. The
    vectors of photos and passages that are gone are removed. Failures that may pass are tried again; others, and all
    at once, with `retry_failed`.

    Raises:
        ModelError: the model cannot be loaded.
        TaxonomyError: the taxonomy is malformed.
        SettingsError: `retry_failed` names no code.
        FailureRateError: too many photos failed, now or before; the waves done so far are kept.
    """
    from jobs.job.retries import retries_of
    from jobs.steps.embed.run import dry_run, embed

    retries = retries_of(context, retry_failed)
    return dry_run(context, retries) if context.dry_run else embed(context, retries)


JOB = Job("embed", "Turn photos and passages into vectors.", run)
