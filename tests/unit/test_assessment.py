"""What a claim's photos show against what was reported, and who has to look."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.settings.sections import AssessSettings
from udfs.assessment import (
    LEVELS,
    Agreement,
    Evidence,
    ReviewReason,
    assess_claim,
    normalised_severity_map,
)
from udfs.errors import SettingsError
from udfs.functions.assess import EVIDENCE_COLUMNS, assess_batches

SEVERITIES = normalised_severity_map(AssessSettings().severity_map | {"No Damage": "none"})
LEVEL = {name: position for position, name in enumerate(LEVELS)}


def seen(level, reported="Trivial Damage", **changes):
    facts = {"photos": 1, "photos_classified": 1, "worst_level": LEVEL[level], "worst_accepted": True} | changes
    return assess_claim(Evidence(reported, **facts), SEVERITIES)


def test_reported_trivial_and_seen_severe_surfaces():
    verdict = seen("severe")
    assert (verdict.expected_severity, verdict.worst_severity) == ("minor", "severe")
    assert verdict.agreement == Agreement.SEEN_WORSE
    assert verdict.review_reasons == (ReviewReason.SEVERITY_MISMATCH,)


@pytest.mark.parametrize(
    ("reported", "level", "agreement", "reasons"),
    [
        ("Minor Damage", "minor", "agrees", []),
        ("  major   DAMAGE ", "severe", "agrees", []),
        ("Total Loss", "minor", "seen_milder", ["severity_mismatch"]),
        ("Total Loss", "none", "seen_milder", ["nothing_seen_but_reported"]),
        ("no damage", "none", "agrees", []),
        ("no damage", "minor", "seen_worse", ["severity_mismatch"]),
        ("no damage", "damaged", "seen_worse", ["severity_mismatch"]),
        ("Minor Damage", "damaged", "not_comparable", []),
        ("as per list", "severe", "not_comparable", []),
        (None, "none", "not_comparable", []),
    ],
)
def test_agreement_and_its_reason(reported, level, agreement, reasons):
    verdict = seen(level, reported)
    assert verdict.agreement == agreement
    assert list(verdict.review_reasons) == reasons


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, "no_photo"),
        ({"photos": 2, "photos_unusable": 2}, "no_usable_photo"),
        ({"photos": 2, "photos_unusable": 1}, "not_classified"),
    ],
)
def test_a_claim_without_any_prediction_goes_to_review(facts, reason):
    verdict = assess_claim(Evidence("Minor Damage", **facts), SEVERITIES)
    assert (verdict.agreement, verdict.worst_severity) == ("not_comparable", None)
    assert list(verdict.review_reasons) == [reason]


def test_one_accepted_photo_of_the_worst_level_settles_a_finding():
    assert seen("minor", worst_accepted=True, any_review=True).review_reasons == ()
    assert seen("minor", worst_accepted=False, any_review=True).review_reasons == (ReviewReason.UNCERTAIN_PREDICTION,)


def test_nothing_seen_is_certain_only_when_every_photo_is():
    assert seen("none", None, worst_accepted=True, any_review=False).review_reasons == ()
    assert seen("none", None, worst_accepted=True, any_review=True).review_reasons == (
        ReviewReason.UNCERTAIN_PREDICTION,
    )


def test_a_photo_filed_under_two_claims_goes_to_review():
    assert seen("minor", shared=True).review_reasons == (ReviewReason.PHOTO_SHARED_WITH_OTHER_CLAIMS,)


@pytest.mark.parametrize(
    ("words", "message"),
    [({"minor": "tiny"}, "'tiny'; map it to one of none, minor"), ({"Low": "minor", "low ": "severe"}, "keep one")],
)
def test_a_severity_map_that_cannot_be_meant_is_refused(words, message):
    with pytest.raises(SettingsError, match=message):
        normalised_severity_map(words)


EVIDENCE = st.builds(
    Evidence,
    st.sampled_from(["Minor Damage", "Total Loss", "no damage", "?", None]),
    st.integers(1, 4),
    st.just(0),
    st.just(1),
    st.sampled_from(range(len(LEVELS))),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(EVIDENCE, min_size=1, max_size=8))
def test_batches_give_every_row_back_with_its_verdict(rows):
    columns = {name: [getattr(row, name) for row in rows] for name in EVIDENCE_COLUMNS}
    columns["claim_id"] = [str(number) for number in range(len(rows))]
    columns["reported_severity"] = pa.array(columns["reported_severity"], pa.string())
    (result,) = assess_batches(AssessSettings().severity_map | {"no damage": "none"})(
        iter([pa.RecordBatch.from_pydict(columns)])
    )
    assert result.num_rows == len(rows)
    for given_row, row in zip(rows, result.to_pylist(), strict=True):
        verdict = assess_claim(given_row, SEVERITIES)
        assert row["review_reasons"] == list(verdict.review_reasons)
        assert row["review"] == bool(verdict.review_reasons)
        assert (row["agreement"], row["worst_severity"]) == (verdict.agreement, verdict.worst_severity)
        mismatch = {"severity_mismatch", "nothing_seen_but_reported"} & set(row["review_reasons"])
        assert bool(mismatch) == (row["agreement"] in ("seen_worse", "seen_milder"))
