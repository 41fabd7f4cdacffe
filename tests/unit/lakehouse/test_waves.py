"""Waves: every pending row in exactly one, in order of time, none larger than was asked for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jobs.lakehouse.waves import Wave, plan_waves

ARRIVALS = st.dictionaries(st.integers(0, 10**15), st.integers(1, 5_000), max_size=40).map(lambda rows: [*rows.items()])
SIZES = st.integers(1, 6_000)


def holds(wave: Wave, time: int) -> bool:
    return wave.first <= time <= wave.last


@given(ARRIVALS, SIZES)
def test_every_arrival_is_in_one_wave_or_in_all_shares_of_it(arrivals, size):
    waves = plan_waves(arrivals, size)
    for time, rows in arrivals:
        found = [wave for wave in waves if holds(wave, time)]
        assert [wave.part for wave in found] == list(range(found[0].parts))
        assert {wave.parts for wave in found} == {len(found)}
        if len(found) > 1:
            assert {(wave.first, wave.last) for wave in found} == {(time, time)}
            assert sum(wave.rows for wave in found) == rows


@given(ARRIVALS, SIZES)
def test_waves_have_at_most_the_rows_asked_for_and_none_is_empty(arrivals, size):
    waves = plan_waves(arrivals, size)
    assert all(0 < wave.rows <= size for wave in waves)
    assert sum(wave.rows for wave in waves) == sum(rows for _, rows in arrivals)
    for wave in waves:
        if wave.parts == 1:
            assert wave.rows == sum(rows for time, rows in arrivals if holds(wave, time))


@given(ARRIVALS, SIZES)
def test_waves_go_in_order_of_time_and_overlap_nowhere(arrivals, size):
    for before, after in pairwise(plan_waves(arrivals, size)):
        assert before.last < after.first or (before.first, before.part + 1) == (after.first, after.part)


@given(ARRIVALS, SIZES)
def test_there_are_no_more_waves_than_the_rows_need(arrivals, size):
    # Two waves in a row that would fit into one would commit twice for nothing.
    for before, after in pairwise(plan_waves(arrivals, size)):
        assert before.parts > 1 or after.parts > 1 or before.rows + after.rows > size


@given(ARRIVALS, SIZES, st.randoms())
def test_the_order_in_which_arrivals_are_counted_does_not_matter(arrivals, size, random):
    shuffled = random.sample(arrivals, len(arrivals))
    assert plan_waves(shuffled, size) == plan_waves(arrivals, size)


def test_what_one_commit_brought_is_read_together():
    assert plan_waves([(1, 4), (2, 4), (5, 3)], 8) == [Wave(1, 2, 8), Wave(5, 5, 3)]
    assert plan_waves([(1, 10)], 4) == [Wave(1, 1, 4, 0, 3), Wave(1, 1, 4, 1, 3), Wave(1, 1, 2, 2, 3)]
    assert plan_waves([], 4) == []
