"""Ingest photos and claim records: only what is new or changed, and every file with its outcome."""

from typing import Any

from jobs.job.context import JobContext
from jobs.job.report import Counts, Report
from jobs.job.spec import Job
from jobs.lakehouse.places import remove_abandoned
from jobs.steps.ingest.claims import ingest_claims
from jobs.steps.ingest.discovery import discover, listing
from jobs.steps.ingest.links import link_photos
from jobs.steps.ingest.passages import derive_passages
from jobs.steps.ingest.photos import ingest_photos, pending_files
from udfs.errors import InputError

TABLES = ("source_files", "photo_files", "photos", "claims", "claim_photos", "passages", "claim_passages")


def run(context: JobContext) -> Report:
    """Find photo files, read claims, sanitise new photos in waves, link photos to claims.

    The counts are of photo files: in = files known before + files to do; skipped = known before.

    Raises:
        InputError: photos, claims or links are not where the settings say, or not what they say.
        FailureRateError: too many photos failed; the waves done so far are kept.
    """
    settings = context.settings.ingest
    if not settings.photos and not settings.claims.path:
        raise InputError("Nothing to ingest: set ingest.photos, ingest.claims.path, or both.")
    if context.dry_run:
        return _dry_run(context)
    lakehouse = context.lakehouse
    lakehouse.ensure(*TABLES)
    remove_abandoned(lakehouse.staging, now=context.clock(), hours=context.settings.tables.staging_hours)
    details: dict[str, Any] = {"files_discovered": 0, "changed_files": 0, "claims": {}, "links": {}}
    known = lakehouse.read("photo_files").count()
    counts = Counts(rows_in=known, skipped=known)
    current = None
    if settings.photos:
        details["files_discovered"], details["changed_files"], current = discover(context)
    if settings.claims.path:
        details["claims"] = ingest_claims(context)
    if settings.photos:
        counts = ingest_photos(context, current, counts)
    details["links"] = link_photos(context)
    details["passages"] = derive_passages(context)
    if settings.photos and counts.rows_in == 0:
        details["note"] = f"no file at ingest.photos = {settings.photos} matches ingest.glob = {settings.glob}"
        context.progress.say(details["note"])
    worked = counts.rows_in - known + details["claims"].get("written", 0) + details["links"]["written"]
    return Report(
        "ingest",
        context.run_id,
        "done" if worked else "nothing_to_do",
        counts,
        versions_out=lakehouse.versions(*TABLES),
        details=details,
    )


def _dry_run(context: JobContext) -> Report:
    """What would be done, from a listing; writes nothing, and no checkpoint."""
    settings = context.settings.ingest
    known = context.lakehouse.read("photo_files").count() if context.lakehouse.exists("photo_files") else 0
    waiting = pending_files(context, listing(context)).count() if settings.photos else 0
    details: dict[str, Any] = {"pending": {"photo_files": waiting}}
    if settings.claims.path:
        details["claims"] = ingest_claims(context)
    counts = Counts(rows_in=known + waiting, skipped=known)
    return Report("ingest", context.run_id, "dry_run", counts, details=details)


JOB = Job("ingest", "Read new and changed photos and claim records.", run)
