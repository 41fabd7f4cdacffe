"""The whole flow: ingest, embed (and classify), assess, sync-index, report, one after the other."""

from jobs.job.context import JobContext
from jobs.job.execution import execute
from jobs.job.report import Counts, Report


def run(context: JobContext) -> Report:
    """Run every job in order, each with its own run id, report and tracking; the first failure ends the flow.

    With demo.root set, and nothing there yet, the demo's claims and photos are rendered first.
    """
    from jobs import assess, classify, demo_data, embed, ingest, report, sync_index

    steps = (
        ("ingest", ingest.run),
        ("embed", embed.run),
        ("classify", classify.run),
        ("assess", assess.run),
        ("sync-index", sync_index.run),
        ("report", report.run),
    )
    rendered = demo_data.is_wanted(context) and not context.dry_run
    if rendered:
        demo = context.settings.demo
        context.progress.say(f"rendering {demo.claims} demo claims with photos into {demo.root}")
        demo_data.run(context)
    reports: list[Report] = []
    for number, (job, step) in enumerate(steps, start=1):
        context.progress.say(f"{number}/{len(steps)} {job}")
        done = execute(job, step, context.next_job())
        context.progress.say(f"    {done.status}: {_sentence(done.counts)} in {done.seconds:.1f} s")
        reports.append(done)
    by_job = {report.job: report for report in reports}
    embedded = int(by_job["embed"].details.get("photos_embedded", 0))
    return Report(
        "run",
        context.run_id,
        "dry_run" if context.dry_run else "done",
        by_job["ingest"].counts,
        versions_in=by_job["ingest"].versions_in,
        versions_out={name: version for report in reports for name, version in report.versions_out.items()},
        details={
            "demo_rendered": rendered,
            "photos_embedded": embedded,
            "page": by_job["report"].details.get("page"),
            "jobs": [report.as_dict() for report in reports],
        },
    )


def _sentence(counts: Counts) -> str:
    text = f"{counts.rows_in} in, {counts.written} written, {counts.skipped} skipped, {counts.failed} failed"
    codes = ", ".join(f"{code} {number}" for code, number in sorted(counts.by_code.items()))
    return f"{text} ({codes})" if codes else text
