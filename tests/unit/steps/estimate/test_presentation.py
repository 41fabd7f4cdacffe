"""An estimate, and how far off it was, as a person reads them."""

import io

import pytest
from rich.console import Console

from jobs.console.presentation import print_report
from jobs.job.durations import Measured, Pace, Portions, plan
from jobs.job.report import Counts, Report


def printed(report):
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=80))
    return " ".join(stream.getvalue().split())


def test_an_estimate_is_a_column_per_number_of_machines():
    measured = Measured({"photo": Pace(50.0, 45.0, 52.0, 3, 0.001, 500.0, 4.0)}, 12.0, 2, 2, 2, 0, 16)
    rows = {"photo": 100_000, "passage": 0}
    details = {
        "model": "bundled:demo",
        "pending": rows,
        "sample": {"photo": {"rows": 900, "failed": 2}},
        "measured": measured.as_dict(),
        "commits": "rehearsed here",
        "batch_size": 16,
        "plans": [plan(measured, rows, number, Portions(None, 6_000), 3.0).as_dict() for number in (1, 4)],
        "as_set": plan(measured, rows, 1, Portions(2, 4_096), 3.0).as_dict(),
    }
    text = printed(Report("estimate", "r", "done", Counts(100_000, skipped=100_000), details=details))
    for words in (
        "100,000 photos to embed with bundled:demo",
        "timed 900 photos, 2 of them failed: 50.0 photos a second",
        "45.0 to 52.0",
        "cost",
        "cold start 12 s",
        "core-hours",
        "1 machine 1 machine 4 machines",
        "as set recommended recommended",
        "embed.partitions 2 null null",
        "embed.wave_photos 4,096 6,000 6,000",
    ):
        assert words in text
    assert "passages" not in text


@pytest.mark.parametrize(
    ("off_by", "words"),
    [
        (0.12, "took 12 % longer than claimlens estimate said"),
        (-0.3, "took 30 % less than claimlens estimate said"),
        (0.001, "took as long as claimlens estimate said"),
    ],
)
def test_embed_says_how_far_off_the_estimate_was(off_by, words):
    details = {"estimate": {"run_id": "e", "predicted_seconds": 1.0, "actual_seconds": 1.0, "off_by": off_by}}
    assert words in printed(Report("embed", "r", "done", Counts(1, 1), details=details))
