"""The report job on small tables: what it counts, what it shows, and what it says where something is missing."""

import dataclasses
import io
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jobs import report
from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CONTRACTS
from tests.conftest import settings_in
from udfs.errors import InputError, SettingsError
from udfs.heads.taxonomy import Facet, Taxonomy, TaxonomyClass

# Three reports over eight tables: minutes where the machine is shared.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOW = datetime(2026, 3, 14, 2, 31, tzinfo=UTC)
BASE_HASH = -0x0123_4567_89AB_CDEF
DAMAGE = Facet("damage", "multi_label", tuple(map(TaxonomyClass, ("dent", "scratch", "none"))), none_class="none")
HEAD = SimpleNamespace(taxonomy=Taxonomy("vehicle", 1, (DAMAGE,)), kind="zero_shot/1", model_key="m1", head_key="h1")
"""What the report asks of a classifier: its names."""


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
    context.lakehouse.ensure(table)
    frame = context.spark.createDataFrame(values, CONTRACTS[table].schema)
    frame.coalesce(1).write.format("delta").mode("append").save(context.lakehouse.path(table))


def put_photos(context):
    """Photos 0 to 5 and one failed; 0 and 1 are near-duplicates in claims A and B, 2 is in both A and C.

    The failed one is in A and B, and no photo that they share. A photo 8 was in a file that holds another one now.
    """
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
    replaced = {**ok[0], "photo_id": photo_id(8)}
    put(context, "photos", [*ok, broken, replaced])
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
                "gone_at": NOW if n == 8 else None,
            }
            for n in (0, 1, 2, 3, 4, 5, 8, 9)
        ],
    )
    links = [("A", 0), ("B", 1), ("A", 2), ("C", 2), ("B", 3), ("C", 4), ("A", 9), ("B", 9)]
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
                "closest": ("damage", "scratch", None),
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


@pytest.fixture(scope="module")
def photos_only(spark, tmp_path_factory):
    """The context, a dry run and a report of a place with photos and vectors, as a model without text leaves it."""
    folder = tmp_path_factory.mktemp("report")
    context = JobContext(settings_in(folder), run_id="run", clock=lambda: NOW).with_head(HEAD)
    put_photos(context)
    put_vectors(context)
    dry = report.run(dataclasses.replace(context, dry_run=True))
    assert not (folder / "report.html").exists()
    return context, dry, report.run(context), (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def classified(photos_only):
    """The report of the same place with predictions and assessments, and its page."""
    context = photos_only[0]
    put_predictions(context)
    done = report.run(context)
    return done, Path(done.details["page"]).read_text(encoding="utf-8")


def test_the_figures_are_those_of_the_tables(classified):
    done, _ = classified
    details = done.details
    assert done.status == "done"
    assert (details["claims"], details["photos"], details["photos_classified"]) == (4, 7, 6)
    assert details["failures"] == {"photos/truncated": 1}
    assert (details["mismatched_claims"], details["review_queue"]) == (1, 2)
    assert (details["near_duplicate_pairs"], details["shared_photos"]) == (1, 1)
    assert (details["map_points"], details["missing"]) == (6, {})
    assert done.versions_in["photos"] >= 1


def test_the_page_shows_what_a_person_must_see(classified):
    _, page = classified
    assert "/in/9.jpg" in page
    assert "ends early" in page
    assert "2 bits apart" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    review = page[page.index('id="review"') : page.index('id="mismatches"')]
    assert review.index(photo_id(4)) < review.index(photo_id(2)), "the smallest margin comes first"
    assert "Claims <b>A, C</b>" in review
    assert "just counted as scratch, at 0.51" in review.lower()


def test_a_model_without_predictions_still_gets_its_map_and_says_what_is_missing(photos_only):
    _, _, done, page = photos_only
    assert set(done.details["missing"]) == {"classes", "review", "mismatches"}
    assert "Run claimlens classify" in page
    assert "coloured by the severity that the claim reports" in page
    assert done.details["near_duplicate_pairs"] == 1


def test_predictions_of_another_classifier_are_named_and_not_shown(classified, photos_only):
    other = photos_only[0].with_head(SimpleNamespace(**{**vars(HEAD), "head_key": "h2"}))
    done = report.run(dataclasses.replace(other, dry_run=False))
    assert (done.details["photos_classified"], done.details["head_key"]) == (0, "h2")
    assert "predictions of other classifiers only: vehicle (h1)" in done.details["missing"]["classes"]


def test_a_dry_run_counts_as_the_run_does(photos_only):
    _, dry, done, _ = photos_only
    assert dry.status == "dry_run"
    for name in ("near_duplicate_pairs", "shared_photos", "photos", "failures", "review_queue"):
        assert dry.details[name] == done.details[name]


def test_an_empty_place_gets_a_page_and_no_tables(spark, settings, tmp_path):
    done = report.run(JobContext(settings, clock=lambda: NOW).with_head(HEAD))
    assert done.versions_in == {}
    assert not (tmp_path / "lakehouse").exists()
    assert "Run claimlens ingest" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("output", "error", "said"),
    [("s3://bucket/report.html", SettingsError, "Volumes"), ("{taken}/report.html", InputError, r"report\.output")],
)
def test_an_output_that_cannot_be_written_is_one_clear_line(spark, tmp_path, output, error, said):
    (tmp_path / "taken").write_text("a file where a directory is wanted")
    place = output.format(taken=tmp_path / "taken")
    with pytest.raises(error, match=said):
        report.run(JobContext(settings_in(tmp_path, f"report.output={place}"), clock=lambda: NOW).with_head(HEAD))
