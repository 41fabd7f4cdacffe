"""The report job on small tables: what it counts, what it shows, and what it says where something is missing."""

import dataclasses
import io
from datetime import UTC, date, datetime

import numpy as np
import pytest
from PIL import Image

from jobs import report
from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.writes import append_once
from jobs.runtime.context import JobContext
from udfs.errors import InputError, SettingsError

NOW = datetime(2026, 3, 14, 2, 31, tzinfo=UTC)
BASE_HASH = -0x0123_4567_89AB_CDEF
FACETS = ("damage/dent", "damage/scratch", "damage/none")


def photo_id(number):
    return f"{number * 7919:064x}"


def jpeg(number):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 255, (60, 80, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def put(context, table, rows):
    """Rows given as dictionaries; columns that are left out are null."""
    names = [column.name for column in CONTRACTS[table].columns]
    values = [tuple(row.get(name) for name in names) for row in rows]
    append_once(context.lakehouse, context.spark.createDataFrame(values, CONTRACTS[table].schema), table)


def put_photos(context):
    """Photos 0 to 5 and one failed; 0 and 1 are near-duplicates in claims A and B, 2 is in both A and C."""
    hashes = {0: BASE_HASH, 1: BASE_HASH ^ 0b101, 2: 77 << 40, 3: 991 << 30, 4: 55_555 << 20, 5: 0x3FFF_0000_FFFF}
    ok = [
        {
            "photo_id": photo_id(n),
            "jpeg": jpeg(n),
            "width": 80,
            "height": 60,
            "perceptual_hash": hashes[n],
            "status": "ok",
            "ingested_at": NOW,
            "run_id": "r",
        }
        for n in range(6)
    ]
    broken = {
        "photo_id": photo_id(9),
        "status": "failed",
        "error_code": "truncated",
        "error_detail": "ends early",
        "ingested_at": NOW,
        "run_id": "r",
    }
    put(context, "photos", [*ok, broken])
    put(
        context,
        "photo_files",
        [
            {
                "path": f"/in/{n}.jpg",
                "modification_time": NOW,
                "length": 1,
                "photo_id": photo_id(n),
                "first_seen": NOW,
                "run_id": "r",
            }
            for n in (0, 1, 2, 3, 4, 5, 9)
        ],
    )
    links = [("A", 0), ("B", 1), ("A", 2), ("C", 2), ("B", 3), ("C", 4), ("A", 9)]
    put(
        context,
        "claim_photos",
        [{"claim_id": claim, "photo_id": photo_id(n), "first_seen": NOW, "run_id": "r"} for claim, n in links],
    )
    put(
        context,
        "claims",
        [
            {
                "claim_id": name,
                "reported_severity": "Trivial",
                "narrative": "<script>alert(1)</script>",
                "amount_total": 10.0,
                "incident_type": "Parked",
                "incident_date": date(2026, 2, 1),
                "record_hash": "h",
                "ingested_at": NOW,
                "run_id": "r",
            }
            for name in "ABCD"
        ],
    )


def put_vectors(context):
    generator = np.random.default_rng(1)
    vectors = generator.standard_normal((6, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [
        {
            "entity": "photo",
            "entity_id": photo_id(n),
            "model_key": "m1",
            "content_hash": photo_id(n),
            "dimension": 8,
            "vector": vectors[n].tolist(),
            "norm": 1.0,
            "status": "ok",
            "embedded_at": NOW,
            "run_id": "r",
        }
        for n in range(6)
    ]
    put(context, "embeddings", rows)


def put_predictions(context):
    margins = {0: 0.9, 1: 0.8, 2: 0.04, 3: 0.7, 4: 0.02, 5: 0.6}
    put(
        context,
        "damage_predictions",
        [
            {
                "photo_id": photo_id(n),
                "model_key": "m1",
                "head_key": "h1",
                "taxonomy": "vehicle",
                "scores": {"damage/dent": 0.9 - n / 50, "damage/scratch": 0.5 + margin / 2, "damage/none": 0.1},
                "labels": ["dent", "scratch"],
                "severity": "severe",
                "part": "door",
                "confidence": 0.9,
                "margin": margin,
                "decision": "review" if margin < 0.1 else "accepted",
                "predicted_at": NOW,
                "run_id": "r",
            }
            for n, margin in margins.items()
        ],
    )
    put(
        context,
        "claim_assessments",
        [
            {
                "claim_id": name,
                "model_key": "m1",
                "head_key": "h1",
                "photos": 2,
                "photos_classified": 2,
                "worst_severity": "severe",
                "damages": ["dent"],
                "reported_severity": "Trivial",
                "expected_severity": "minor",
                "agreement": agreement,
                "review": agreement != "agrees",
                "review_reasons": [],
                "assessed_at": NOW,
                "run_id": "r",
            }
            for name, agreement in (("A", "seen_worse"), ("B", "agrees"))
        ],
    )


@pytest.fixture
def context(spark, settings):
    return JobContext(settings, run_id="run", clock=lambda: NOW)


def test_a_full_lakehouse_makes_a_page_whose_figures_are_the_tables(context, tmp_path):
    put_photos(context)
    put_vectors(context)
    put_predictions(context)
    done = report.run(context)
    details = done.details
    assert done.status == "done"
    assert (details["claims"], details["photos"], details["photos_classified"]) == (4, 7, 6)
    assert details["failures"] == {"photos/truncated": 1}
    assert (details["mismatched_claims"], details["review_queue"]) == (1, 2)
    assert (details["near_duplicate_pairs"], details["shared_photos"]) == (1, 1)
    assert (details["map_points"], details["missing"]) == (6, {})
    assert done.versions_in["photos"] >= 1
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert details["page"] == str(tmp_path / "report.html")
    assert "/in/9.jpg" in page
    assert "ends early" in page
    assert "2 bits apart" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    review = page[page.index('id="review"') : page.index('id="mismatches"')]
    assert review.index(photo_id(4)) < review.index(photo_id(2)), "the smallest margin comes first"
    assert "Claims <b>A, C</b>" in review
    assert "just counted as scratch, at 0.51" in review


def test_a_model_without_predictions_still_gets_its_map_and_says_what_is_missing(context, tmp_path):
    put_photos(context)
    put_vectors(context)
    details = report.run(context).details
    assert set(details["missing"]) == {"classes", "review", "mismatches"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Run claimlens classify" in page
    assert "coloured by the severity that the claim reports" in page
    assert details["near_duplicate_pairs"] == 1


def test_an_empty_place_gets_a_page_and_no_tables(context, tmp_path):
    done = report.run(context)
    assert done.versions_in == {}
    assert not (tmp_path / "lakehouse").exists()
    assert "Run claimlens ingest" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_dry_run_counts_and_writes_nothing(context, tmp_path):
    put_photos(context)
    done = report.run(dataclasses.replace(context, dry_run=True))
    assert done.status == "dry_run"
    assert (done.details["near_duplicate_pairs"], done.details["photos"]) == (1, 7)
    assert not (tmp_path / "report.html").exists()


def test_an_output_that_cannot_be_written_is_one_clear_line(context, tmp_path):
    (tmp_path / "taken").write_text("a file where a directory is wanted")
    blocked = context.settings.model_copy(
        update={
            "report": context.settings.report.model_copy(update={"output": str(tmp_path / "taken" / "report.html")})
        }
    )
    with pytest.raises(InputError, match=r"report\.output"):
        report.run(dataclasses.replace(context, settings=blocked))
    remote = context.settings.model_copy(
        update={"report": context.settings.report.model_copy(update={"output": "s3://bucket/report.html"})}
    )
    with pytest.raises(SettingsError, match="Volumes"):
        report.run(dataclasses.replace(context, settings=remote))
