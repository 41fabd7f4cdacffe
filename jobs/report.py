"""The job `report`: one self-contained HTML page about everything that the tables hold."""

import time
from pathlib import Path
from typing import Any

from jobs.job.context import JobContext
from jobs.job.report import Counts, Report
from jobs.job.spec import Job
from jobs.lakehouse.places import local_file
from udfs.errors import InputError


def run(context: JobContext) -> Report:
    """Write the page to settings.report.output; details['page'] is its path.

    A dry run reads the counts and writes nothing.

    Raises:
        SettingsError: report.output is an address, not a path.
        InputError: the page cannot be written there.
    """
    from jobs.lakehouse.current import CurrentPhotos
    from jobs.steps.report.duplicates import shared_photos
    from jobs.steps.report.gather import gather_content
    from jobs.steps.report.overview import look_over
    from jobs.steps.report.page import render_page

    started = time.perf_counter()
    output = local_file(context.settings.report.output, "report.output")
    context.progress.say("Reading the tables for the report.")
    snapshot = CurrentPhotos(context.lakehouse)
    overview = look_over(snapshot, context.head)
    details: dict[str, Any] = {
        "claims": overview.rows["claims"],
        "photos": overview.rows.get("photos", 0),
        "photos_classified": overview.classified,
        "mismatched_claims": overview.mismatched_claims,
        "review_queue": overview.for_review,
        "failures": {f"{stage}/{code}": count for (stage, code), count in sorted(overview.failed.items())},
        **context.head.details,
    }
    if context.dry_run:
        duplicates = shared_photos(snapshot, context.settings.report.near_duplicate_distance)
        details |= {"near_duplicate_pairs": duplicates.pairs, "shared_photos": duplicates.shared_photos}
        counts, status = Counts(rows_in=1, skipped=1), "dry_run"
    else:
        content = gather_content(context, snapshot, overview)
        page = render_page(content)
        _write(output, page)
        context.tracker.log_page(output)
        details |= {
            "near_duplicate_pairs": content.totals.near_duplicate_pairs,
            "shared_photos": content.totals.shared_photos,
            "page": str(output.resolve()),
            "page_bytes": len(page.encode("utf-8")),
            "photos_shown": len(content.thumbnails),
            "map_points": len(content.photo_map.points) if content.photo_map else 0,
            "missing": dict(content.missing),
        }
        counts, status = Counts(rows_in=1, written=1), "done"
    return Report(
        "report",
        context.run_id,
        status,
        counts,
        seconds=time.perf_counter() - started,
        versions_in=snapshot.versions,
        details=details,
    )


def _write(output: Path, page: str) -> None:
    """A reader sees the old page or the new one, never half of one."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        unfinished = output.with_name(output.name + ".unfinished")
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(output)
    except OSError as error:
        raise InputError(
            f"The report cannot be written to {output}: {error.strerror or error}. "
            "Set report.output to a path that can be written."
        ) from None


JOB = Job("report", "Write the HTML report of everything so far.", run)
