"""Ingest photos and claim records: only what is new or changed, and every file with its outcome."""

from typing import TYPE_CHECKING

from jobs.job.report import Report
from jobs.job.spec import Job

if TYPE_CHECKING:
    from jobs.job.context import JobContext


def run(context: "JobContext") -> Report:
    """Find photo files, read claims, sanitise new photos in waves, link photos to claims.

    The counts are of photo files: in = files known before + files to do; skipped = known before.

    Raises:
        InputError: photos, claims or links are not where the settings say, or not what they say.
        FailureRateError: too many photos failed; the waves done so far are kept.
    """
    from jobs.steps.ingest.run import dry_run, ingest
    from udfs.errors import InputError

    settings = context.settings.ingest
    if not settings.photos and not settings.claims.path:
        raise InputError("Nothing to ingest: set ingest.photos, ingest.claims.path, or both.")
    return dry_run(context) if context.dry_run else ingest(context)


JOB = Job("ingest", "Read new and changed photos and claim records.", run)
