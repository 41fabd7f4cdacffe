"""Close calls in plain words."""

from jobs.steps.report.wording import closest_call, damage_scores

SCORES = {
    "damage/dent": 0.9, "damage/scratch": 0.48, "damage/glass_shatter": 0.1, "damage/none": 0.1,
    "severity/minor": 0.5, "severity/moderate": 0.3, "severity/severe": 0.2,
}  # fmt: skip


def test_the_closest_call_is_the_one_that_the_margin_measured():
    assert closest_call(SCORES, ["dent"], 0.04) == "just not counted as scratch, at 0.48"
    assert closest_call(SCORES, ["dent"], 0.2) == "severity: minor (0.50) or moderate (0.30)"


def test_the_closest_call_knows_a_labels_own_threshold():
    scores = {"damage/dent": 0.72, "damage/scratch": 0.2}
    assert closest_call(scores, ["dent"], 0.0667, {"dent": 0.7}) == "just counted as dent, at 0.72"


def test_a_card_shows_labels_first_and_then_the_best_of_the_rest():
    shown = damage_scores(SCORES, ["glass_shatter"], most=2)
    assert [(score.name, score.chosen) for score in shown] == [("dent", False), ("glass shatter", True)]


def test_no_scores_make_no_words():
    assert closest_call({}, [], 0.0) == ""
    assert damage_scores({}, []) == ()
