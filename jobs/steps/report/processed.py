"""The section "What was processed": the headline figures, and the latest runs."""

from datetime import UTC, datetime

from jobs.lakehouse.snapshot import Snapshot
from jobs.steps.report.content import RunFigure, TableFigure
from jobs.steps.report.overview import Overview

RUNS_SHOWN = 12


def headline_figures(overview: Overview) -> tuple[TableFigure, ...]:
    """One figure for each table that a reader knows."""
    rows = overview.rows
    without_photo = rows["claims"] - min(rows["claims"], rows["claims_with_photos"])
    unlinked = rows.get("photos", 0) - min(rows.get("photos", 0), rows["photos_with_claims"])
    failed = sum(count for (stage, _), count in overview.failed.items() if stage == "photos")
    others = f"; {overview.other_models} other models stored" if overview.other_models else ""
    indexes = "index" if rows["index_state"] == 1 else "indexes"
    return (
        TableFigure("Claims", rows["claims"], f"{without_photo:,} without a photo"),
        TableFigure("Photo files", rows["photo_files"], f"{rows.get('photos', 0):,} distinct photos"),
        TableFigure("Usable photos", rows.get("photos_ok", 0), f"{failed:,} failed, {unlinked:,} without a claim"),
        TableFigure("Photo vectors", rows["embeddings"], f"{overview.texts:,} vectors of texts{others}"),
        TableFigure("Classified photos", overview.classified, f"{overview.for_review:,} for review"),
        TableFigure(
            "Assessed claims", rows["claim_assessments"], f"{overview.mismatched_claims:,} disagree with the report"
        ),
        TableFigure("Indexed rows", rows["indexed"], f"in {rows['index_state']:,} {indexes}"),
    )


def latest_runs(snapshot: Snapshot) -> tuple[RunFigure, ...]:
    """The last runs of all jobs, the newest first."""
    from pyspark.sql import functions as F

    figures = ("rows_in", "written", "skipped", "failed", "seconds", "photos_per_second")
    found = (
        snapshot.read("job_runs")
        .orderBy(F.desc("finished_at"), "run_id")
        .limit(RUNS_SHOWN)
        .select("job", "status", F.unix_micros("finished_at").alias("finished"), *figures)
        .collect()
    )
    return tuple(
        RunFigure(
            row["job"],
            row["status"],
            datetime.fromtimestamp(row["finished"] / 1e6, UTC),
            *(row[name] for name in figures),
        )
        for row in found
    )
