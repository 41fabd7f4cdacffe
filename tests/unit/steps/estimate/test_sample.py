"""Which rows a sample takes, and what one machine looks like from it."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.steps.estimate.run import measured_from
from jobs.steps.estimate.sample import Round, Sample, spread_waves

ARRIVALS = st.dictionaries(st.integers(0, 10**15), st.integers(1, 5_000), min_size=1, max_size=40).map(
    lambda rows: tuple(sorted(rows.items()))
)


@given(ARRIVALS, st.integers(1, 2_000), st.integers(1, 5))
def test_a_sample_is_small_and_spread_from_old_to_new(arrivals, rows, number):
    waves = spread_waves(arrivals, rows, number)
    assert 1 <= len(waves) <= number
    assert sum(wave.rows for wave in waves) <= rows + number
    assert len(set(waves)) == len(waves)
    assert waves == sorted(waves, key=lambda wave: (wave.first, wave.part))
    assert waves[0].first == arrivals[0][0]


def timed(rows, seconds, tasks, hosts):
    return Round(rows, 0, seconds, seconds + 1, tasks, hosts, cores=16, gpus=1, batch_size=256, load_seconds=3.0)


def test_the_pace_of_one_machine_from_a_sample_on_two():
    sample = Sample([timed(100, 5.0, 8, 2), timed(100, 4.0, 8, 2)], 20.0, 3.0, 0.001, 500.0, 0.5)
    found = measured_from({"photo": sample}, commits=2.0, slots=64)
    pace = found.paces["photo"]
    assert (pace.slowest, pace.rows_per_second, pace.fastest) == (10.0, 200 / 18, 12.5)
    assert (pace.wave_seconds, found.cold_start_seconds) == (2.5, 20.0)
    assert (found.slots, found.tasks, found.cores, found.gpus, found.batch_size) == (16, 4, 16, 1, 256)
