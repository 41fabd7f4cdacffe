"""Search over a real index with an encoder of known vectors."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.retrieval.question import Query
from jobs.retrieval.searcher import Searcher
from tests.unit.index.arrow_frame import ArrowFrame
from tests.unit.index.index_rows import entity_rows, keys, unit_vectors
from tests.unit.retrieval.conftest import put
from tests.unit.retrieval.questions import PHOTO_SEED, asked, best, encode, model, numbers, picture, searcher
from udfs.errors import IndexMismatchError, InputError, ModelError


def test_a_sentence_finds_the_nearest_photos_in_order(indexed):
    result = asked(indexed, sentence="77")
    assert numbers(result) == best(unit_vectors(1, seed=77)[0], range(20))[:5]
    assert [hit.rank for hit in result.hits] == [1, 2, 3, 4, 5]
    assert {hit.entity for hit in result.hits} == {"photo"}


def test_a_photo_and_a_sentence_are_weighed(indexed):
    assert numbers(asked(indexed, photo=picture()))[0] == PHOTO_SEED
    both = asked(indexed, sentence="77", photo=picture(), weight=0.3)
    mixed = 0.3 * unit_vectors(1, seed=77)[0] + 0.7 * unit_vectors(1, seed=PHOTO_SEED)[0]
    assert numbers(both) == best(mixed, range(20))[:5]
    words_alone = asked(indexed, sentence="77", photo=picture(), weight=1.0)
    assert numbers(words_alone) == numbers(asked(indexed, sentence="77"))
    cosine = float(unit_vectors(1, seed=numbers(both)[0])[0] @ mixed / (mixed @ mixed) ** 0.5)
    assert both.hits[0].score == pytest.approx(cosine, abs=1e-5)


def test_a_claim_finds_others_like_it_and_not_itself(indexed):
    result = asked(indexed, claim_id="C-1")
    assert not set(numbers(result)) & set(range(5))
    assert len(result.asked_ids) == 5
    nearest = max(float(unit_vectors(1, seed=own)[0] @ unit_vectors(1, seed=numbers(result)[0])[0]) for own in range(5))
    assert result.hits[0].score == pytest.approx(nearest, abs=1e-5)
    assert set(numbers(asked(indexed, claim_id="C-1", include_self=True))) == set(range(5))


def test_filters_are_exact(indexed):
    query = unit_vectors(1, seed=77)[0]
    result = asked(indexed, sentence="77", where=("reported_severity = total loss",), limit=3)
    assert numbers(result) == best(query, range(5, 10))[:3]
    assert result.candidates == 5
    assert asked(indexed, sentence="77", where=("severity = severe",)).candidates is None
    both = asked(indexed, sentence="77", where=("reported_severity = total loss", "severity = severe"))
    assert numbers(both) == best(query, [6, 8])
    assert asked(indexed, sentence="77", where=("claim_id = C-9",)).hits == ()


def test_a_hit_names_up_to_five_claims_and_how_many_there_are(indexed):
    hit = asked(indexed, sentence="7", limit=1).hits[0]
    assert int(hit.entity_id, 16) == 7
    assert (len(hit.claim_ids), hit.claims) == (5, 8)
    assert hit.reported_severities == ("Total Loss",)
    filtered = asked(indexed, sentence="7", where=("claim_id = D-6",)).hits[0]
    assert filtered.claim_ids[0] == "D-6"


def test_passages_are_found_and_shown_with_what_they_say(indexed):
    hits = asked(indexed, sentence="31", entity="passage").hits
    assert [hit.entity for hit in hits] == ["passage"] * 3
    assert (int(hits[0].entity_id, 16), hits[0].text, hits[0].claim_ids) == (31, "the door is dented", ("C-2",))
    like = asked(indexed, claim_id="C-1", entity="passage")
    assert {hit.claim_ids for hit in like.hits} == {("C-2",), ("C-3",)}
    assert like.asked_ids == ()


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ({}, InputError, "Nothing was asked"),
        ({"sentence": "  "}, InputError, "Nothing was asked"),
        ({"sentence": "dent " * 10_000}, InputError, "10,000 are the most"),
        ({"claim_id": "X-404"}, InputError, "no claim X-404"),
        ({"claim_id": " "}, InputError, "--claim is empty"),
        ({"claim_id": "C-1", "photo": b"x"}, InputError, "not with both"),
        ({"photo": b"", "photo_name": "none.jpg"}, InputError, "none.jpg: not a photo that can be read .empty"),
        ({"photo": Path(__file__).read_bytes()}, InputError, "not a photo that can be read"),
        ({"sentence": "1", "entity": "video"}, InputError, "must be one of photo, passage"),
        ({"sentence": "1", "weight": 2.0}, InputError, "between 0"),
        ({"sentence": "1", "weight": float("nan")}, InputError, "between 0"),
        ({"sentence": "1", "limit": -1}, InputError, "between 1"),
        ({"sentence": "1", "where": ("severty = minor",)}, InputError, "the nearest is severity"),
        (
            {"sentence": "1", "where": ("severity = minor",), "entity": "passage"},
            InputError,
            "passages have no damage columns",
        ),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(indexed, query, error, message):
    with pytest.raises(error, match=message):
        asked(indexed, **{"limit": 5, **query})


def test_a_sentence_needs_a_model_with_text(indexed):
    with pytest.raises(ModelError, match="no text tower"):
        searcher(indexed, has_text=False).search(Query(sentence="1"))


def test_no_index_and_an_index_of_another_model_are_told_apart(settings, indexed, tmp_path):
    with pytest.raises(IndexMismatchError, match="no index of model_key model-b, only of model-a"):
        searcher(indexed, model_key="model-b")
    empty = settings.model_copy(update={"index": settings.index.model_copy(update={"root": str(tmp_path / "none")})})
    with pytest.raises(InputError, match="Run claimlens sync-index"):
        searcher(empty)


def test_an_empty_index_finds_nothing_and_knows_no_claim(indexed, writer):
    for gone in (keys(range(20)), keys(range(30, 33), "passage")):
        writer.apply(ArrowFrame(entity_rows([])), ArrowFrame(gone))
    assert asked(indexed, sentence="77").hits == ()
    with pytest.raises(InputError, match="There is no claim C-1 in the index"):
        asked(indexed, claim_id="C-1")


def test_one_searcher_answers_several_threads_at_once(indexed):
    resident = searcher(indexed)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda seed: resident.search(Query(sentence=str(seed), limit=3)), range(100, 140)))
    for seed, result in zip(range(100, 140), found, strict=True):
        assert numbers(result) == best(unit_vectors(1, seed=seed)[0], range(20))[:3]


def test_an_index_that_changes_while_it_is_asked_always_answers(indexed, writer):
    resident = searcher(indexed)
    with ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(resident.search, Query(sentence=str(seed), limit=3)) for seed in range(40)]
        for _ in range(3):
            writer.replace(ArrowFrame(entity_rows(range(20))))
            writer.optimise(None)
        assert all(len(answer.result().hits) == 3 for answer in answers)
    put(writer, entity_rows([]), gone=range(1, 20))
    assert numbers(resident.search(Query(sentence="7"))) == [0]


def test_the_order_of_a_reranker_is_the_order_of_the_hits(indexed):
    reordered = Searcher(indexed, model(), encode, rerank=lambda _, found: found[::-1][:2])
    assert numbers(reordered.search(Query(sentence="77", limit=3))) == numbers(asked(indexed, 3, sentence="77"))[:0:-1]
