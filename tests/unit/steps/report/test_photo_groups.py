"""A likeness counts where it spans claims, and groups say who is alike with whom."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jobs.steps.report.photo_groups import group_photos, pairs_across_claims


def test_photos_of_one_claim_are_no_signal():
    assert pairs_across_claims([(1, 3)], {1: ["a"], 3: ["b"]}, {"a": ["A"], "b": ["A"]}) == []


def test_near_and_equal_hashes_across_claims_are_pairs_once():
    claims = {"a": ["A"], "b": ["B"], "c": ["A", "C"], "d": []}
    pairs = pairs_across_claims([(1, 3), (1, 9)], {1: ["b", "a"], 3: ["c"], 9: ["d"]}, claims)
    assert pairs == [("a", "b"), ("a", "c"), ("b", "c")]


def test_counting_stops_where_it_is_told_to():
    photos = [f"{number:03}" for number in range(100)]
    assert len(pairs_across_claims([], {0: photos}, {photo: [photo] for photo in photos}, most=50)) == 50


def test_a_group_is_around_one_photo_and_the_same_file_comes_first():
    claims = {"a": ["A"], "b": ["B"], "c": ["C"], "x": ["X", "Y"]}
    groups = group_photos([("a", "b"), ("b", "c")], {"a": -1, "b": -2, "c": -4, "x": 7}, claims)
    assert [group.same_file for group in groups] == [True, False]
    assert groups[0].claim_ids == ("X", "Y")
    assert [(photo.photo_id, photo.distance) for photo in groups[1].photos] == [("b", 0), ("a", 1), ("c", 1)]
    assert groups[1].claim_ids == ("A", "B", "C")


def test_a_chain_is_no_group():
    names = "abcdefgh"
    hashes = {name: (1 << 3 * number) - 1 for number, name in enumerate(names)}  # 3 bits from each to the next
    pairs = list(pairwise(names))
    groups = group_photos(pairs, hashes, {name: [name.upper()] for name in names})
    assert {photo.photo_id for group in groups for photo in group.photos} == set(names)
    assert all(photo.distance <= 3 for group in groups for photo in group.photos)


@given(st.sets(st.tuples(st.integers(0, 15), st.integers(0, 15)).filter(lambda pair: pair[0] < pair[1]), max_size=40))
def test_everything_is_paired_with_the_first_and_shown(edges):
    pairs = [(f"p{first:02}", f"p{second:02}") for first, second in sorted(edges)]
    groups = group_photos(pairs, {}, {})
    linked = {frozenset(pair) for pair in pairs}
    for group in groups:
        first, *others = (photo.photo_id for photo in group.photos)
        assert others
        assert all(frozenset((first, other)) in linked for other in others)
    if all(group.more == 0 for group in groups):
        assert {photo.photo_id for group in groups for photo in group.photos} == {
            name for pair in pairs for name in pair
        }


def test_a_large_group_shows_a_few_and_counts_the_rest():
    photos = [f"p{number}" for number in range(10)]
    group = group_photos([("p0", photo) for photo in photos[1:]], dict.fromkeys(photos, 5), {p: [p] for p in photos})[0]
    assert (len(group.photos), group.more, len(group.claim_ids)) == (4, 6, 10)
