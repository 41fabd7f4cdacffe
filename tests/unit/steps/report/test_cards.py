"""Close calls in plain words."""

from jobs.steps.report.cards import closest_words, damage_scores
from udfs.heads.decision import ClosestCall

SCORES = {
    "damage/dent": 0.9, "damage/scratch": 0.48, "damage/glass_shatter": 0.1, "damage/none": 0.1,
    "severity/minor": 0.5, "severity/moderate": 0.3, "severity/severe": 0.2,
}  # fmt: skip


def test_the_closest_call_in_words():
    assert closest_words(ClosestCall("damage", "scratch"), SCORES, ["dent"]) == "just not counted as scratch, at 0.48"
    assert closest_words(ClosestCall("damage", "dent"), SCORES, ["dent"]) == "just counted as dent, at 0.90"
    call = ClosestCall("severity", "minor", "moderate")
    assert closest_words(call, SCORES, ["dent"]) == "severity: minor (0.50) or moderate (0.30)"


def test_a_card_shows_labels_first_and_then_the_best_of_the_rest():
    shown = damage_scores(SCORES, ["glass_shatter"], most=2)
    assert [(score.name, score.chosen) for score in shown] == [("dent", False), ("glass shatter", True)]


def test_no_scores_make_no_words():
    assert damage_scores({}, []) == ()
