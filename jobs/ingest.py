"""Ingest photos and claim records: only what is new or changed, and every file with its outcome."""

from typing import TYPE_CHECKING

from jobs.job.report import Report
from jobs.job.retries import RetryFailed
from jobs.job.spec import Job

if TYPE_CHECKING:
    from jobs.job.context import JobContext


def run(context: "JobContext", *, retry_failed: RetryFailed = None) -> Report:
    """Find photo files, read claims, sanitise new photos in waves, link photos to claims.

    The counts are of photo files: in = files known before + files to do; skipped = known before. Failures that may
    pass, or that depend on a setting or a reader that has changed, are tried again; others, and all at once, with
    `retry_failed`.

    Raises:
        InputError: photos, claims or links are not where the settings say, not what they say, or gone but for a few.
        SettingsError: `retry_failed` names no code.
        FailureRateError: too many photos failed, now or before; the waves done so far are kept.
    """
    from jobs.job.retries import retries_of
    from jobs.steps.ingest.run import dry_run, ingest
    from udfs.errors import InputError

    settings = context.settings.ingest
    if not settings.photos and not settings.claims.path:
        raise InputError("Nothing to ingest: set ingest.photos, ingest.claims.path, or both.")
    retries = retries_of(context, retry_failed)
    return dry_run(context, retries) if context.dry_run else ingest(context, retries)


JOB = Job("ingest", "Read new and changed photos and claim records.", run)
