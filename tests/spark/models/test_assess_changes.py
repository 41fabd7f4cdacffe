"""Looking only at what has changed gives what looking at everything gives, whatever has happened in between."""

import random
import shutil
from pathlib import Path

import pytest

from jobs import assess
from jobs.job.context import JobContext
from jobs.lakehouse.writes import delete_keys, upsert
from jobs.steps.assess.evidence import SOURCES, assessments_frame
from jobs.steps.assess.state import begin, check, finish, read_state
from jobs.steps.assess.writing import COMPARED
from tests.conftest import settings_in
from tests.spark.models.test_classify import NOW, add_rows, photo_id
from tests.unit.heads.concepts import small_head
from udfs.errors import ClaimlensError

pytestmark = pytest.mark.slow

HEAD = small_head()
KEYS = {"model_key": HEAD.model_key, "head_key": HEAD.head_key}
WORDS = ("Trivial Damage", "Total Loss", "Minor Damage", "odd words", None)
PHOTOS = 12


def prediction(number, generator):
    severity = generator.choice(("minor", "moderate", "severe", None))
    return {
        "photo_id": photo_id(number),
        "taxonomy": "small",
        "scores": {"damage/dent": 0.9},
        "labels": ["dent"] if severity else ["none"],
        "severity": severity,
        "confidence": 0.9,
        "margin": 0.5,
        "decision": generator.choice(("accepted", "review")),
        "predicted_at": NOW,
        **KEYS,
    }


def remove(context, table, **key):
    schema = ", ".join(f"{name} string" for name in key)
    delete_keys(context.lakehouse, context.spark.createDataFrame([tuple(key.values())], schema), table)


def some_changes(context, generator):
    """A few of everything that can happen to the tables between two assessments."""
    claims = [f"claim {number}" for number in range(8)]
    photos = [photo_id(number) for number in range(PHOTOS)]
    add_rows(context, "claims", [{"claim_id": generator.choice(claims), "reported_severity": generator.choice(WORDS)}])
    add_rows(context, "claim_photos", [{"claim_id": generator.choice(claims), "photo_id": generator.choice(photos)}])
    add_rows(context, "damage_predictions", [prediction(generator.randrange(PHOTOS), generator)])
    failed = {"photo_id": photo_id(generator.randrange(PHOTOS)), "status": "failed", "error_code": "corrupt"}
    add_rows(context, "photos", [failed])
    remove(context, "claims", claim_id=generator.choice(claims))
    remove(context, "claim_photos", claim_id=generator.choice(claims), photo_id=generator.choice(photos))
    remove(context, "damage_predictions", photo_id=generator.choice(photos))
    row = context.lakehouse.read("claims").where("claim_id = 'claim 1'").replace("Total Loss", "Minor Damage")
    upsert(context.lakehouse, row, "claims", compare=("reported_severity",))


def comparable(frame):
    return {row["claim_id"]: tuple(row[name] for name in COMPARED) for row in frame.collect()}


def assert_equal_to_assessing_all(context):
    stored = comparable(context.lakehouse.read("claim_assessments"))
    assert stored == comparable(assessments_frame(context, context.pin(*SOURCES), context.head))
    return stored


@pytest.fixture(scope="module")
def assessed(spark, tmp_path_factory):
    """Eight claims with photos, predictions, and a first assessment."""
    context = JobContext.create(settings_in(tmp_path_factory.mktemp("changes"))).with_head(HEAD)
    context.lakehouse.ensure(*SOURCES)
    generator = random.Random(0)
    claims = [{"claim_id": f"claim {n}", "reported_severity": generator.choice(WORDS)} for n in range(8)]
    add_rows(context, "claims", claims)
    links = {(f"claim {generator.randrange(8)}", generator.randrange(PHOTOS)) for _ in range(14)}
    add_rows(context, "claim_photos", [{"claim_id": claim, "photo_id": photo_id(n)} for claim, n in links])
    add_rows(context, "damage_predictions", [prediction(n, generator) for n in range(0, PHOTOS, 2)])
    first = assess.run(context)
    assert (first.details["looked_at"], first.counts.written) == (8, 8)
    assert "no earlier assessment" in first.details["all_claims_because"]
    return context


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_following_the_changes_equals_assessing_all(assessed, seed):
    some_changes(assessed, random.Random(seed))
    report = assess.run(assessed.next_job())
    assert "all_claims_because" not in report.details
    stored = assert_equal_to_assessing_all(assessed)
    assert report.counts.rows_in == len(stored) == sum(report.details["agreement"].values())


def test_tables_restored_to_an_earlier_version_are_followed_back(assessed):
    before = assessed.pin(*SOURCES).versions
    some_changes(assessed, random.Random(4))
    assess.run(assessed.next_job())
    for table, version in before.items():
        name = assessed.lakehouse.name(table)
        assessed.spark.sql(f"RESTORE TABLE {name} TO VERSION AS OF {version}").collect()
    assess.run(assessed.next_job())
    assert_equal_to_assessing_all(assessed)


def test_nothing_is_looked_at_where_nothing_concerns_a_claim(assessed):
    assess.run(assessed.next_job())
    before = assessed.lakehouse.version("assessment_state")
    again = assess.run(assessed.next_job())
    assert (again.status, again.details["looked_at"], again.counts.written) == ("nothing_to_do", 0, 0)
    assert again.counts.rows_in == again.counts.skipped > 0
    assert assessed.lakehouse.version("assessment_state") == before
    add_rows(assessed, "photos", [{"photo_id": photo_id(99), "status": "ok", "jpeg": b"jpeg"}])
    unlinked = assess.run(assessed.next_job())
    assert (unlinked.status, unlinked.details["looked_at"]) == ("nothing_to_do", 0)


def test_a_feed_that_is_gone_or_a_table_made_anew_is_a_look_at_all_claims(assessed, tables_created):
    remove(assessed, "damage_predictions", photo_id=photo_id(0))
    place = Path(assessed.lakehouse.path("damage_predictions"))
    shutil.rmtree(place / "_change_data")
    report = assess.run(assessed.next_job())
    assert "cannot be read" in report.details["all_claims_because"]
    assert_equal_to_assessing_all(assessed)

    shutil.rmtree(place)
    fresh = JobContext.create(assessed.settings).with_head(HEAD)
    add_rows(fresh, "damage_predictions", [prediction(3, random.Random(9))])
    report = assess.run(fresh)
    assert "damage_predictions is another one" in report.details["all_claims_because"]
    assert_equal_to_assessing_all(fresh)


def test_another_severity_map_and_a_foreign_hand_are_a_look_at_all_claims(assessed):
    remove(assessed, "claim_assessments", claim_id=assessed.lakehouse.read("claim_assessments").first()["claim_id"])
    report = assess.run(assessed.next_job())
    assert "something else has changed the assessments" in report.details["all_claims_because"]
    assert report.details["inserted"] == 1

    root = Path(assessed.settings.tables.root).parent
    other = settings_in(root, "assess.severity_map={odd words: severe, total loss: minor}")
    mapped = JobContext.create(other).with_head(HEAD)
    assert "severity map" in assess.run(mapped).details["all_claims_because"]
    assert_equal_to_assessing_all(mapped)


def test_two_runs_at_once_leave_nothing_that_says_too_much(assessed):
    one, two = assessed.next_job(), assessed.next_job()
    snapshot = assessed.pin(*SOURCES)
    begin(one, one.head)
    begin(two, two.head)
    with pytest.raises(ClaimlensError, match="wrote nothing"):
        check(one, one.head)
    check(two, two.head)
    finish(one, one.head, snapshot, {"claims": 0})
    finish(two, two.head, snapshot, {"claims": 0})
    assert read_state(two, two.head) is None
    assert "no earlier assessment" in assess.run(assessed.next_job()).details["all_claims_because"]
    assert read_state(two, two.head).writer is None
