"""One rule decides for every head, and says which of its decisions was closest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.unit.heads.concepts import TAXONOMY, small_taxonomy
from udfs.errors import ModelError
from udfs.heads.decision import ClosestCall, decide, probabilities

SMALL = small_taxonomy()
# dent, crack (from 0.7 on) | minor, moderate, severe | front, rear
DENTED = [0.9, 0.1, 0.1, 0.2, 0.7, 0.95, 0.05]


@pytest.mark.parametrize(
    ("scores", "call", "margin"),
    [
        ([0.9, 0.1, 0.1, 0.2, 0.7, 0.95, 0.05], ClosestCall("severity", "severe", "moderate"), 0.5),
        ([0.52, 0.1, 0.1, 0.2, 0.7, 0.95, 0.05], ClosestCall("damage", "dent"), 0.04),
        ([0.9, 0.65, 0.1, 0.2, 0.7, 0.95, 0.05], ClosestCall("damage", "crack"), 0.05 / 0.7),
        ([0.9, 0.1, 0.1, 0.2, 0.7, 0.45, 0.55], ClosestCall("part", "rear", "front"), 0.1),
        # Nothing damaged: severity and part are not decided, however close they are.
        ([0.1, 0.1, 0.34, 0.33, 0.33, 0.5, 0.5], ClosestCall("damage", "dent"), 0.8),
    ],
)
def test_the_closest_call_is_where_the_margin_is(scores, call, margin):
    made = decide(SMALL, [scores])
    assert made.closest == [call]
    assert made.margin[0] == pytest.approx(margin, abs=1e-6)


def test_a_threshold_of_ones_own_counts():
    assert decide(SMALL, [[0.9, 0.69, *DENTED[2:]]]).labels == [["dent"]]
    assert decide(SMALL, [[0.9, 0.71, *DENTED[2:]]]).labels == [["dent", "crack"]]


SCORES = arrays(np.float32, st.tuples(st.integers(1, 8), st.just(7)), elements=st.floats(0, 1, width=32))


@given(SCORES)
def test_the_margin_can_be_worked_out_from_the_closest_call_alone(scores):
    made = decide(SMALL, scores)
    thresholds = {"dent": 0.5, "crack": 0.7}
    for row, call in enumerate(made.closest):
        score = dict(zip(made.score_keys, made.scores[row].tolist(), strict=True))
        value = score[f"{call.facet}/{call.name}"]
        if call.other is None:
            limit = thresholds[call.name]
            distance = (value - limit) / (1 - limit) if call.name in made.labels[row] else (limit - value) / limit
        else:
            distance = value - score[f"{call.facet}/{call.other}"]
        assert made.margin[row] == pytest.approx(distance, abs=1e-5)


def test_scores_of_another_shape_or_not_finite_are_refused_in_words():
    with pytest.raises(ModelError, match=r"7 classes with a score, the head gave scores of the shape \(1, 3\)"):
        decide(SMALL, [[0.1, 0.2, 0.3]])
    with pytest.raises(ModelError, match="not finite"):
        decide(SMALL, [[float("nan"), *DENTED[1:]]])


def test_logits_become_scores_by_the_kind_of_facet():
    made = probabilities(small_taxonomy(TAXONOMY), [[0.0, 100.0, 0.0, 0.0, 0.0, 800.0, -800.0]])
    np.testing.assert_allclose(made, [[0.5, 1, 1 / 3, 1 / 3, 1 / 3, 1, 0]], atol=1e-6)


def test_no_rows_give_no_decisions():
    assert decide(SMALL, np.empty((0, 7), np.float32)).labels == []
