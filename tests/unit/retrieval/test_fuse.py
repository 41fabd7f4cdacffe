"""Several ranked lists become one by their ranks alone."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.index.protocol import Found
from jobs.retrieval.fuse import fused


def found(name, score):
    return Found("photo", name, score, {})


RANKED = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8).map(
    lambda ids: [found(name, 1.0 - place / 10) for place, name in enumerate(ids)]
)


@given(RANKED, st.integers(1, 10))
def test_one_list_stays_as_it_is(candidates, limit):
    assert fused([candidates], limit) == candidates[:limit]


@given(RANKED, RANKED)
def test_whoever_is_ahead_in_both_lists_is_ahead(first, second):
    order = [candidate.entity_id for candidate in fused([first, second], 20)]
    one, two = ([candidate.entity_id for candidate in found] for found in (first, second))
    assert sorted(order) == sorted({*one, *two})
    for ahead in set(one) & set(two):
        for behind in set(one) & set(two):
            if one.index(ahead) < one.index(behind) and two.index(ahead) < two.index(behind):
                assert order.index(ahead) < order.index(behind)


def test_scores_of_different_kinds_are_not_compared():
    cosine = [found("a", 0.9), found("b", 0.8)]
    words = [found("b", 31.0), found("c", 17.0)]
    assert [candidate.entity_id for candidate in fused([cosine, words], 3)] == ["b", "a", "c"]
    assert fused([cosine, words], 3)[0].score == 1 / 61 + 1 / 62
