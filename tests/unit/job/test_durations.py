"""The arithmetic of an estimate: honest for any number of photos, machines, tasks and waves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.job.durations import (
    ROWS_PER_TASK,
    TASKS_PER_SLOT,
    Measured,
    Pace,
    Portions,
    plan,
    recommended,
    run_seconds,
    speed_up,
    tasks_of,
)

PACES = st.builds(
    lambda rate, slower, faster, read, per_task, wave: Pace(
        rate, rate * slower, rate * faster, 3, read, per_task, wave
    ),
    st.floats(0.5, 5_000),
    st.floats(0.5, 1),
    st.floats(1, 2),
    st.floats(0, 0.01),
    st.floats(1, 3_000),
    st.floats(0.1, 30),
)
COUNTS = st.integers(0, 20_000_000)
MACHINES = st.integers(1, 200)
PORTIONS = st.builds(Portions, st.none() | st.integers(1, 5_000), st.integers(1, 1_000_000))
AS_SET = st.sampled_from([Portions(None, 4096), Portions(2, 4096)])


@st.composite
def measured(draw):
    slots = draw(st.integers(1, 64))
    return Measured(
        {"photo": draw(PACES), "passage": draw(PACES)},
        draw(st.floats(0, 120)),
        slots,
        draw(st.integers(1, slots)),
        draw(st.integers(1, 128)),
        draw(st.integers(0, 8)),
        draw(st.sampled_from([1, 8, 32, 256, 1024])),
    )


@given(measured(), PORTIONS, MACHINES, COUNTS, COUNTS)
def test_more_photos_never_take_less_time(sample, portions, machines, photos, more):
    few = run_seconds(sample, {"photo": photos}, portions, machines)
    assert run_seconds(sample, {"photo": photos + more}, portions, machines) >= few * (1 - 1e-9)


@given(measured(), PORTIONS, MACHINES, MACHINES, COUNTS)
def test_more_machines_never_take_more_time(sample, portions, machines, more, photos):
    rows = {"photo": photos, "passage": photos // 3}
    fewer = run_seconds(sample, rows, portions, machines)
    assert run_seconds(sample, rows, portions, machines + more) <= fewer * (1 + 1e-9)


@given(measured(), AS_SET, MACHINES, MACHINES, COUNTS)
def test_nor_do_they_with_the_recommended_settings(sample, as_set, machines, more, photos):
    rows = {"photo": photos}
    fewer = run_seconds(sample, rows, recommended(sample, rows, machines, as_set), machines)
    portions = recommended(sample, rows, machines + more, as_set)
    assert run_seconds(sample, rows, portions, machines + more) <= fewer * (1 + 1e-9)


@given(measured(), st.floats(1, 5_000), MACHINES)
def test_the_gain_is_limited_by_machines_and_by_tasks(sample, tasks, machines):
    gain = speed_up(sample, tasks, machines)
    assert 0 < gain <= machines
    assert gain <= tasks / sample.tasks
    # Enough tasks of equal size leave no slot idle.
    assert speed_up(sample, machines * sample.slots * 2, machines) == machines


@given(measured(), PORTIONS, MACHINES, COUNTS, st.floats(0, 100))
def test_cost_and_device_hours_are_hours_times_machines(sample, portions, machines, photos, price):
    found = plan(sample, {"photo": photos}, machines, portions, price)
    assert found.cost == pytest.approx(found.seconds / 3600 * price * machines)
    assert found.device_hours == pytest.approx(found.seconds / 3600 * machines * (sample.gpus or sample.cores))
    assert ("gpu_hours" in found.as_dict()) == (sample.gpus > 0)
    assert plan(sample, {"photo": photos}, machines, portions).cost is None


@given(measured(), AS_SET, MACHINES)
def test_nothing_pending_takes_nothing(sample, as_set, machines):
    rows = {"photo": 0, "passage": 0}
    assert recommended(sample, rows, machines, as_set) == as_set
    found = plan(sample, rows, machines, as_set, 3.0)
    assert (found.seconds, found.fastest_seconds, found.slowest_seconds, found.cost) == (0, 0, 0, 0)
    assert (found.device_hours, found.photos_per_second, found.tasks_per_wave) == (0, 0, 0)


@given(measured(), PORTIONS, MACHINES, st.integers(1, 1_000_000))
def test_the_range_holds_the_estimate_and_the_cold_start_is_paid_once(sample, portions, machines, photos):
    found = plan(sample, {"photo": photos}, machines, portions)
    assert found.fastest_seconds <= found.seconds <= found.slowest_seconds
    waves = -(-photos // portions.wave_photos)
    pace = sample.paces["photo"]
    least = sample.cold_start_seconds + waves * pace.wave_seconds + photos / pace.rows_per_second / machines
    assert found.seconds >= least * (1 - 1e-9)
    assert found.photos_per_second <= pace.rows_per_second * machines * (1 + 1e-9)


@given(measured(), AS_SET, MACHINES, st.integers(1, 20_000_000))
def test_recommended_tasks_cover_the_slots_and_stay_bounded(sample, as_set, machines, photos):
    found = recommended(sample, {"photo": photos}, machines, as_set)
    pace, slots = sample.paces["photo"], sample.slots * machines
    if found.partitions is None:
        assert as_set.partitions is None
        assert tasks_of(pace, photos, found) >= slots * (1 - 1e-9)
    else:
        assert found.partitions % slots == 0
        assert 1 <= found.partitions // slots <= TASKS_PER_SLOT
        assert found.wave_photos // found.partitions <= max(ROWS_PER_TASK, 2 * sample.batch_size)


@given(measured())
def test_what_was_measured_survives_job_runs(sample):
    assert Measured.from_dict(sample.as_dict()) == sample


def test_an_entity_that_was_not_measured_is_left_out():
    sample = Measured({"photo": Pace(10.0, 9.0, 11.0, 3, 0.0, 50.0, 2.0)}, 5.0, 2, 2, 2, 0, 32)
    rows = {"photo": 100, "passage": 100}
    assert run_seconds(sample, rows, Portions(2, 50), 1) == pytest.approx(5 + 2 * 2 + 10)
