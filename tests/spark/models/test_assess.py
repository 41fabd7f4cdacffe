"""Every claim gets its assessment, with or without photos, and is written again only when something changed."""

import dataclasses

import pytest
from pyspark.sql import Row

from jobs import assess, classify
from jobs.job.context import JobContext
from jobs.job.report import Report
from jobs.lakehouse.writes import delete_keys
from tests.spark.models.test_classify import SHOWN, add_rows, context_in, embedding, photo_id

CLAIMS = {
    "mismatch": ("Trivial Damage", [0, 2]),
    "agrees": ("Minor Damage", [1, 5]),
    "without": ("Total Loss", []),
    "intact": ("Major Damage", [2, 4]),
    "unclear": ("odd words", [3]),
    "broken": ("Minor Damage", [5, 6]),
    "new": (None, [7]),
}


@dataclasses.dataclass(frozen=True)
class Assessed:
    """A first assessment: its context, what a dry run before it said, its report, and its rows by claim."""

    context: JobContext
    dry: Report
    report: Report
    rows: dict[str, Row]


def rows_of(context):
    return {row["claim_id"]: row for row in context.lakehouse.read("claim_assessments").collect()}


@pytest.fixture(scope="module")
def assessed(spark, tmp_path_factory):
    """Claims, their photos and predictions; 5 is no photo, in two claims, 6 was not embedded, 7 is not classified."""
    context = context_in(tmp_path_factory.mktemp("assess"))
    claims = [{"claim_id": name, "reported_severity": reported} for name, (reported, _) in CLAIMS.items()]
    add_rows(context, "claims", claims)
    links = [(name, number) for name, (_, numbers) in CLAIMS.items() for number in numbers]
    linked = [{"claim_id": name, "photo_id": photo_id(number)} for name, number in links]
    add_rows(context, "claim_photos", linked)
    read = [{"photo_id": photo_id(number), "status": "ok", "jpeg": b"jpeg"} for number in (0, 1, 2, 3, 4, 6, 7)]
    unread = {"photo_id": photo_id(5), "status": "failed", "error_code": "corrupt"}
    add_rows(context, "photos", [*read, unread])
    vectors = [*SHOWN.values(), SHOWN["intact"]]
    add_rows(context, "embeddings", [*(embedding(*pair) for pair in enumerate(vectors)), embedding(6, None)])
    classify.run(context)
    dry = assess.run(dataclasses.replace(context, dry_run=True))
    assert not context.lakehouse.exists("claim_assessments")
    return Assessed(context, dry, assess.run(context), rows_of(context))


def test_every_claim_is_assessed_and_a_mismatch_surfaces(assessed):
    report, rows = assessed.report, assessed.rows
    assert (assessed.dry.status, assessed.dry.counts.rows_in, assessed.dry.counts.written) == ("dry_run", 7, 0)
    assert (report.status, report.counts.rows_in, report.counts.written) == ("done", 7, 7)
    reasons = {name: row["review_reasons"] for name, row in rows.items()}
    assert reasons == {
        "mismatch": ["severity_mismatch", "photo_shared_with_other_claims"],
        "agrees": [],
        "without": ["no_photo"],
        "intact": ["nothing_seen_but_reported", "photo_shared_with_other_claims"],
        "unclear": ["uncertain_prediction"],
        "broken": ["no_usable_photo"],
        "new": ["not_classified"],
    }
    assert all(row["review"] == bool(row["review_reasons"]) for row in rows.values())
    worst = rows["mismatch"]
    assert (worst["photos"], worst["photos_classified"], worst["damages"]) == (2, 2, ["dent"])
    assert (worst["expected_severity"], worst["worst_severity"], worst["agreement"]) == (
        "minor",
        "severe",
        "seen_worse",
    )
    assert (rows["intact"]["damages"], rows["intact"]["agreement"]) == ([], "seen_milder")
    assert (rows["without"]["photos"], rows["without"]["damages"]) == (0, [])
    assert report.details["agreement"] == {"agrees": 1, "seen_worse": 1, "seen_milder": 1, "not_comparable": 4}
    assert report.details["review_reasons"]["no_photo"] == 1
    assert report.details["claims_for_review"] == 6
    assert report.details["unmapped_severities"] == {"odd words": 1}
    named = [name for name in ("intact", "unclear", "broken") if name in str(report.details)]
    assert not named, "a report outlives a claim"


def test_only_what_changed_is_written_again(assessed):
    context = assessed.context
    again = assess.run(context.next_job())
    assert (again.status, again.counts.written, again.counts.skipped) == ("nothing_to_do", 0, 7)

    # "without" gets a photo that "mismatch" shared already; so only its own row changes.
    delete_keys(context.lakehouse, context.spark.createDataFrame([("new",)], "claim_id string"), "claims")
    add_rows(context, "claim_photos", [{"claim_id": "without", "photo_id": photo_id(0)}])
    changed = assess.run(context.next_job())
    assert {key: changed.details[key] for key in ("updated", "inserted", "removed")} == {
        "updated": 1,
        "inserted": 0,
        "removed": 1,
    }
    rows = rows_of(context)
    assert rows["without"]["agreement"] == "agrees"
    assert set(rows) == set(CLAIMS) - {"new"}
    assert {name for name, row in rows.items() if row["run_id"] != context.run_id} == {"without"}
