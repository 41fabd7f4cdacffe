"""The head computes the documented formula, for any vectors."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.unit.heads.concepts import (
    AXES,
    DIMENSION,
    MODEL_KEY,
    SCALE,
    TAXONOMY,
    encode_texts,
    photo,
    small_head,
    small_taxonomy,
)
from udfs.errors import ModelError
from udfs.heads.zero_shot import build_head, head_key

HEAD = small_head()


def naive(vector):
    """The formula of the docstring, one photo and one number at a time."""
    axis = {text: np.eye(DIMENSION)[number] for number, text in enumerate(AXES)}
    dents = axis["a dent"] + axis["dents"]
    towards = {
        "damage/dent": dents / np.linalg.norm(dents) - axis["no dent"],
        "damage/crack": axis["a crack"] - axis["intact"],
        "severity/minor": axis["slight"],
        "severity/moderate": axis["medium"],
        "severity/severe": axis["heavy"],
        "part/front": axis["the front"],
        "part/rear": axis["the rear"],
    }
    unit = np.asarray(vector, dtype=np.float64) / np.linalg.norm(np.asarray(vector, dtype=np.float64))
    cosine = {name: float(unit @ direction) for name, direction in towards.items()}
    scores = {name: 1 / (1 + math.exp(-SCALE * cosine[name])) for name in ("damage/dent", "damage/crack")}
    scores["damage/none"] = 1 - max(scores.values())
    for facet, scale in (("severity", SCALE), ("part", 20.0)):
        names = [name for name in towards if name.startswith(facet)]
        powers = {name: math.exp(scale * cosine[name]) for name in names}
        scores |= {name: powers[name] / sum(powers.values()) for name in names}
    confidences, margins, labels = [], [], []
    for name, threshold in (("dent", 0.5), ("crack", 0.7)):
        score = scores[f"damage/{name}"]
        if score >= threshold:
            labels.append((score, name))
            confidences.append(score)
            margins.append((score - threshold) / (1 - threshold))
        else:
            confidences.append(1 - score)
            margins.append((threshold - score) / threshold)
    if labels:
        for facet in ("severity", "part"):
            top, second = sorted((value for name, value in scores.items() if name.startswith(facet)), reverse=True)[:2]
            confidences.append(top)
            margins.append(top - second)
    names = [name for _, name in sorted(labels, reverse=True)] or ["none"]
    return scores, names, min(confidences), min(margins)


def test_the_head_equals_the_formula_worked_out_by_hand():
    vectors = np.random.default_rng(3).normal(size=(200, DIMENSION)).astype(np.float32)
    predictions = HEAD.predict(vectors)
    assert {len(labels) for labels in predictions.labels} == {1, 2}
    for row, vector in enumerate(vectors):
        scores, labels, confidence, margin = naive(vector)
        assert dict(zip(predictions.score_keys, predictions.scores[row], strict=True)) == pytest.approx(
            scores, abs=2e-5
        )
        assert predictions.labels[row] == labels
        assert predictions.confidence[row] == pytest.approx(confidence, abs=2e-5)
        assert predictions.margin[row] == pytest.approx(margin, abs=1e-4)
        assert predictions.decision[row] == ("review" if confidence < 0.6 or margin < 0.1 else "accepted")


def test_a_clear_photo_is_accepted_and_an_unclear_one_goes_to_review():
    clear = photo(a_dent=1, dents=1, intact=1, heavy=1, the_rear=1)
    undamaged = photo(no_dent=1, intact=1, heavy=1)
    unclear = photo(a_dent=1, dents=1, intact=1, heavy=1, medium=0.99, the_rear=1)
    predictions = HEAD.predict(np.stack([clear, undamaged, unclear]))
    assert predictions.labels == [["dent"], ["none"], ["dent"]]
    assert predictions.severity == ["severe", None, "severe"]
    assert predictions.part == ["rear", None, "rear"]
    assert predictions.decision == ["accepted", "accepted", "review"]


def test_a_facet_without_a_condition_is_decided_for_undamaged_photos_too():
    head = small_head(TAXONOMY.replace("    when: damaged\n    temperature", "    temperature"))
    predictions = head.predict(photo(no_dent=1, intact=1, the_front=1)[None])
    assert (predictions.labels, predictions.severity, predictions.part) == ([["none"]], [None], ["front"])


def test_without_a_none_class_an_undamaged_photo_has_no_label():
    text = TAXONOMY.replace("    none_class: none\n", "").replace(
        "      - {name: none, prompts: [nothing broken]}\n", ""
    )
    predictions = small_head(text).predict(photo(no_dent=1, intact=1)[None])
    assert predictions.labels == [[]]
    assert "damage/none" not in predictions.score_keys


def test_extreme_scales_give_scores_without_overflow():
    head = build_head(small_taxonomy(), encode_texts, MODEL_KEY, 1e6)
    scores = head.predict(np.stack([photo(no_dent=1), photo(a_dent=1)])).scores
    assert np.isfinite(scores).all()
    assert set(scores[:, 0].tolist()) == {0.0, 1.0}


VECTORS = arrays(
    np.float32, st.tuples(st.integers(1, 12), st.just(DIMENSION)), elements=st.floats(-1, 1, width=32)
).map(lambda rows: rows + np.float32(0.01) * (np.linalg.norm(rows, axis=1, keepdims=True) < 0.01))


@settings(max_examples=60)
@given(VECTORS, st.randoms(use_true_random=False))
def test_what_holds_for_any_vectors(vectors, random):
    predictions = HEAD.predict(vectors)
    for values in (predictions.scores, predictions.confidence, predictions.margin):
        assert values.dtype == np.float32
        assert ((values >= 0) & (values <= 1)).all()
    softmaxes = predictions.scores[:, 3:6].sum(axis=1), predictions.scores[:, 6:8].sum(axis=1)
    np.testing.assert_allclose(softmaxes, 1, atol=1e-5)
    for labels, severity, part in zip(predictions.labels, predictions.severity, predictions.part, strict=True):
        assert labels
        assert ("none" in labels) == (labels == ["none"]) == (severity is None) == (part is None)
    order = list(range(len(vectors)))
    random.shuffle(order)
    permuted = HEAD.predict(vectors[order])
    np.testing.assert_allclose(permuted.scores, predictions.scores[order], atol=1e-6)


def test_only_the_direction_of_a_vector_counts():
    vectors = np.random.default_rng(5).normal(size=(20, DIMENSION)).astype(np.float32)
    np.testing.assert_allclose(HEAD.predict(vectors * 7).scores, HEAD.predict(vectors).scores, atol=1e-5)


def test_the_key_follows_the_taxonomy_and_the_model():
    assert HEAD.head_key == head_key(small_taxonomy(), MODEL_KEY)
    assert len(HEAD.head_key) == 16
    keys = {
        HEAD.head_key,
        head_key(small_taxonomy(), "another model"),
        small_head(TAXONOMY.replace("threshold: 0.7", "threshold: 0.6")).head_key,
    }
    assert len(keys) == 3
    assert small_head("# a comment" + TAXONOMY.replace("version: 1", "version: 2")).head_key == HEAD.head_key


def test_a_pickled_head_predicts_the_same():
    vectors = np.random.default_rng(7).normal(size=(5, DIMENSION)).astype(np.float32)
    copy = pickle.loads(pickle.dumps(HEAD))
    np.testing.assert_array_equal(copy.predict(vectors).scores, HEAD.predict(vectors).scores)


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (np.ones((2, 5), np.float32), "vectors of length 12"),
        (np.zeros((2, DIMENSION), np.float32), "2 of 2 vectors are zero"),
        (np.full((1, DIMENSION), np.nan, np.float32), "1 of 1 vectors are zero or not finite"),
    ],
)
def test_vectors_that_cannot_be_classified_are_refused_in_words(vectors, words):
    with pytest.raises(ModelError, match=words):
        HEAD.predict(vectors)


def test_a_text_tower_that_fails_is_named():
    with pytest.raises(ModelError, match="model gave no finite vector"):
        build_head(small_taxonomy(), lambda texts: np.full((len(texts), DIMENSION), np.nan), MODEL_KEY, None)
