"""The order of the steps, and what they come to in one report."""

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.job.context import JobContext
from jobs.job.report import Counts, Report
from jobs.job.retries import Retries
from jobs.lakehouse.leftovers import remove_leftovers
from jobs.lakehouse.snapshot import Snapshot
from jobs.lakehouse.tables import Lakehouse
from jobs.spark.cluster import tasks_at_once
from jobs.steps.ingest.auto_loader import follow
from jobs.steps.ingest.claims import claim_source, ingest_claims
from jobs.steps.ingest.comparison import Known, last_delivery
from jobs.steps.ingest.gone import mark, turned_files
from jobs.steps.ingest.link_records import link_source
from jobs.steps.ingest.links import Names, link_photos
from jobs.steps.ingest.passages import derive_passages
from jobs.steps.ingest.photos import ingest_photos
from jobs.steps.ingest.plan import Plan, files_to_do, stage_plan
from jobs.steps.ingest.unchanged import LastRun, last_run, source_state
from udfs.outcome import ErrorCode

TABLES = ("photo_files", "photos", "claims", "claim_photos", "passages", "claim_passages")
PASSAGES = ("claims", "passages", "claim_passages")
LINKS = ("photo_files", "photos", "claims", "claim_photos")
CLAIMS_WRITTEN = ("written", "missing_flagged", "missing_removed")
READ = ("photo_files", "photos")


def ingest(context: JobContext, retries: Retries) -> Report:
    """Everything new, into the tables."""
    settings, lakehouse = context.settings.ingest, context.lakehouse
    lakehouse.ensure(*TABLES)
    remove_leftovers(lakehouse, now=context.clock(), hours=context.settings.tables.staging_hours)
    last = last_run(context)
    details: dict[str, Any] = {"files_discovered": 0, "changed_files": 0, "claims": {}, "links": {}, "sources": {}}
    if settings.claims.path:
        details["claims"] = _claims(context, last, details)
    if settings.photos and settings.auto_loader:
        follow(context)
    snapshot = context.pin(*READ)
    known = snapshot.read("photo_files").count()
    counts, before = Counts(rows_in=known, skipped=known), Known()
    if settings.photos:
        counts, before = _photos(context, snapshot, counts, details, retries)
    # What links and passages are made of, at least in these versions: what comes in beside this run is another's to do.
    versions = lakehouse.versions(*TABLES)
    details["links"], names = _links(context, last, versions, details)
    details |= {"names": names} if names else {}
    details["passages"] = _passages(context, last, versions, details)
    changed = _changes(details["links"], versions, lakehouse, "claim_photos")
    changed += _changes(details["passages"], versions, lakehouse, "passages", "claim_passages")
    if settings.photos and counts.rows_in == 0:
        details["note"] = f"no file at ingest.photos = {settings.photos} matches ingest.glob = {settings.glob}"
        context.progress.say(details["note"])
    if before.still:
        details["still_failing"] = dict(before.still)
        context.check_what_still_fails("file", before.still, *_to_judge(snapshot, before, counts))
    worked = counts.rows_in - counts.skipped + sum(details["claims"].get(name, 0) for name in CLAIMS_WRITTEN) + changed
    worked += sum(details.get(name, 0) for name in ("missing_files", "returned_files"))
    return Report(
        "ingest",
        context.run_id,
        "done" if worked else "nothing_to_do",
        counts,
        versions_in=snapshot.versions,
        versions_out=versions,
        details=details,
    )


def dry_run(context: JobContext, retries: Retries) -> Report:
    """What would be done, from a listing; writes nothing, and no checkpoint."""
    settings = context.settings.ingest
    snapshot = context.pin(*READ)
    known = snapshot.read("photo_files").count()
    waiting = files_to_do(context, snapshot, tasks_at_once(context.spark), retries) if settings.photos else 0
    details: dict[str, Any] = {"pending": {"photo_files": waiting}}
    if settings.claims.path:
        details["claims"] = ingest_claims(context)
    counts = Counts(rows_in=known + waiting, skipped=known)
    return Report("ingest", context.run_id, "dry_run", counts, versions_in=snapshot.versions, details=details)


def _claims(context: JobContext, last: LastRun, details: dict[str, Any]) -> dict[str, Any]:
    settings = context.settings.ingest.claims
    state = source_state(context, settings, claim_source(settings))
    details["sources"]["claims"] = state
    left = last.left("claims", state, context.lakehouse.versions("claims"))
    if left is None:
        return ingest_claims(context)
    written = left["written"]
    done = dict.fromkeys((*CLAIMS_WRITTEN, "new", "changed"), 0)
    return left | {name: 0 for name in done if name in left} | {"unchanged": left["unchanged"] + written}


def _links(
    context: JobContext, last: LastRun, versions: Mapping[str, int], details: dict[str, Any]
) -> tuple[dict[str, Any], Names]:
    settings = context.settings.ingest
    source = link_source(settings.links) if settings.links.kind == "metadata" else None
    state = source_state(context, settings.links, source, place=str(settings.photos))
    details["sources"]["links"] = state
    left = last.left("links", state, {table: versions[table] for table in LINKS})
    return link_photos(context) if left is None else (left | {"written": 0, "removed": 0}, {})


def _passages(
    context: JobContext, last: LastRun, versions: Mapping[str, int], details: dict[str, Any]
) -> dict[str, int]:
    details["sources"]["passages"] = "claims"
    left = last.left("passages", "claims", {table: versions[table] for table in PASSAGES})
    return derive_passages(context) if left is None else dict.fromkeys(left, 0)


def _changes(counts: Mapping[str, int], versions: dict[str, int], lakehouse: Lakehouse, *tables: str) -> int:
    """How many rows a step wrote or removed; where it did, the tables' versions are those after it."""
    changed = sum(number for name, number in counts.items() if name.endswith(("written", "removed")))
    if changed:
        versions.update(lakehouse.versions(*tables))
    return changed


def _photos(
    context: JobContext, snapshot: Snapshot, counts: Counts, details: dict[str, Any], retries: Retries
) -> tuple[Counts, Known]:
    plan, staged = stage_plan(context, snapshot, tasks_at_once(context.spark), retries)
    try:
        turned = turned_files(context, snapshot, plan) if plan.turns else None
        details["changed_files"] = plan.changed
        details["files_discovered"] = plan.files - plan.changed - plan.retried
        # A file that is tried again is not one that needed nothing.
        counts += Counts(rows_in=-plan.retried, skipped=-plan.retried)
        counts = ingest_photos(context, plan, counts, retries)
        if turned is not None:
            mark(context, turned)
            details |= {"missing_files": turned.missing, "returned_files": turned.returned}
    finally:
        for wave in staged:
            wave.discard()
    if plan.known.left_out:
        details["left_out"] = dict(plan.known.left_out)
    if plan.problems:
        counts += _not_listed(context, plan, details)
        context.check_failure_rate(counts)
    return counts, plan.known


def _to_judge(snapshot: Snapshot, before: Known, counts: Counts) -> Iterator[Counts]:
    """All files that are there; and, where this run had nothing to do, those of the last delivery: a run that is
    repeated is no better than the run before."""
    worked = Counts(written=counts.written, failed=counts.failed, by_code=counts.by_code)
    failed = sum(before.still.values())
    yield Counts(written=before.present - failed, failed=failed, by_code=before.still) + worked
    if not counts.written and before.last_run:
        yield last_delivery(snapshot, before.last_run)


def _not_listed(context: JobContext, plan: Plan, details: dict[str, Any]) -> Counts:
    # Their paths are for whoever runs the job: they may name claims, and reports outlive an erasure.
    for path, problem in plan.problems[:3]:
        context.progress.say(f"{path.removeprefix('file:')} was left out: {problem}")
    number = len(plan.problems)
    if number > 3:
        context.progress.say(f"and {number - 3} more folders or files were left out")
    kinds = [problem for _, problem in plan.problems]
    details["not_listed"] = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    return Counts(rows_in=number, failed=number, by_code={str(ErrorCode.UNREADABLE): number})
