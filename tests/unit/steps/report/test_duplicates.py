"""A likeness counts where it spans claims, and groups say who is alike with whom."""

from jobs.steps.report.duplicates import group_photos, pairs_across_claims


def test_photos_of_one_claim_are_no_signal():
    assert pairs_across_claims([(1, 3)], {1: ["a"], 3: ["b"]}, {"a": ["A"], "b": ["A"]}) == []


def test_near_and_equal_hashes_across_claims_are_pairs_once():
    claims = {"a": ["A"], "b": ["B"], "c": ["A", "C"], "d": []}
    pairs = pairs_across_claims([(1, 3), (1, 9)], {1: ["b", "a"], 3: ["c"], 9: ["d"]}, claims)
    assert pairs == [("a", "b"), ("a", "c"), ("b", "c")]


def test_counting_stops_where_it_is_told_to():
    photos = [f"{number:03}" for number in range(100)]
    assert len(pairs_across_claims([], {0: photos}, {photo: [photo] for photo in photos}, most=50)) == 50


def test_groups_join_what_is_linked_and_measure_from_the_best_linked_photo():
    claims = {"a": ["A"], "b": ["B"], "c": ["C"], "x": ["X", "Y"]}
    groups = group_photos([("a", "b"), ("b", "c")], {"a": -1, "b": -2, "c": -4, "x": 7}, claims)
    assert [group.same_file for group in groups] == [True, False]
    assert groups[0].claim_ids == ("X", "Y")
    assert [(photo.photo_id, photo.distance) for photo in groups[1].photos] == [("b", 0), ("a", 1), ("c", 1)]
    assert groups[1].claim_ids == ("A", "B", "C")


def test_a_large_group_shows_a_few_and_counts_the_rest():
    photos = [f"p{number}" for number in range(10)]
    group = group_photos([("p0", photo) for photo in photos[1:]], dict.fromkeys(photos, 5), {p: [p] for p in photos})[0]
    assert (len(group.photos), group.more, len(group.claim_ids)) == (4, 6, 10)
