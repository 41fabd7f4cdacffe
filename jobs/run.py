"""The whole flow: ingest, embed (and classify), assess, sync-index, report, one after the other."""

from typing import TYPE_CHECKING

from jobs import assess, classify, demo_data, embed, ingest, report, sync_index
from jobs.job.execution import JobFailedError, cause_of, execute
from jobs.job.report import Counts, Report
from jobs.job.spec import Job

if TYPE_CHECKING:
    from jobs.job.context import JobContext

STEPS = (ingest.JOB, embed.JOB, classify.JOB, assess.JOB, sync_index.JOB, report.JOB)


def run(context: "JobContext") -> Report:
    """Run every job in order, each with its own run id, report and tracking; the first failure ends the flow.

    With demo.root set, and nothing there yet, the demo's claims and photos are rendered first.

    Raises:
        JobFailedError: a step failed; its report and those of the steps before it are in details['jobs'].
    """
    rendered = demo_data.is_wanted(context)
    if rendered:
        demo = context.settings.demo
        if context.dry_run:
            note = f"{demo.claims} demo claims would be rendered into {demo.root}; what follows depends on them"
            return Report("run", context.run_id, "dry_run", Counts(), details={"note": note})
        context.progress.say(f"rendering {demo.claims} demo claims with photos into {demo.root}")
        demo_data.run(context)
    reports: list[Report] = []
    for number, job in enumerate(STEPS, start=1):
        context.progress.say(f"{number}/{len(STEPS)} {job.name}")
        try:
            done = execute(job.name, job.run, context.next_job())
        except JobFailedError as failure:
            flow = _report(context, [*reports, failure.report], "failed", rendered=rendered)
            raise JobFailedError(flow) from cause_of(failure)
        context.progress.say(f"    {done.status}: {_sentence(done.counts)} in {done.seconds:.1f} s")
        reports.append(done)
        if done.status == "failed":
            return _report(context, reports, "failed", rendered=rendered)
    return _report(context, reports, "dry_run" if context.dry_run else "done", rendered=rendered)


def _report(context: "JobContext", reports: list[Report], status: str, *, rendered: bool) -> Report:
    by_job = {done.job: done for done in reports}
    first = reports[0]
    embedded = by_job["embed"].details.get("photos_embedded", 0) if "embed" in by_job else 0
    details = {
        "demo_rendered": rendered,
        "photos_embedded": embedded,
        "page": by_job["report"].details.get("page") if "report" in by_job else None,
        "jobs": [done.as_dict() for done in reports],
    }
    if "error" in reports[-1].details:
        details["error"] = reports[-1].details["error"]
    return Report(
        "run",
        context.run_id,
        status,
        first.counts,
        versions_in=first.versions_in,
        versions_out={name: version for done in reports for name, version in done.versions_out.items()},
        details=details,
    )


def _sentence(counts: Counts) -> str:
    text = f"{counts.rows_in} in, {counts.written} written, {counts.skipped} skipped, {counts.failed} failed"
    codes = ", ".join(f"{code} {number}" for code, number in sorted(counts.by_code.items()))
    return f"{text} ({codes})" if codes else text


JOB = Job("run", "Run the whole flow, from ingest to report.", run)
