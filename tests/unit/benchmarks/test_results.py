"""The benchmark's arithmetic: medians, shares, the table, the figures to reach, and whose CPU time is counted."""

import pytest

from tests.benchmarks.figures import checks
from tests.benchmarks.measure import below, interpolated, lost_seconds, parsed_stat
from tests.benchmarks.memory import growth
from tests.benchmarks.results import Rates, Row, markdown, put_between_markers, row_of
from tests.benchmarks.stage_profile import stages_of
from tests.benchmarks.work_sets import odd_photos

RATES = Rates(forward=100.0, decode=300.0)


def row(engine: str, speed: float, cpu: float, **changes) -> Row:
    measured = {
        "passes": [{"seconds": 100 / speed, "cpu_seconds": cpu / 10}],
        "peak_memory_bytes": 2_000_000_000,
        "cold_start_seconds": 3.0,
        "without_vector": 1,
    }
    cell = {"engine": engine, "title": engine.title(), "track": 1, "set": "b", "encoder": "clip", "photos": 100}
    return row_of(measured, RATES, **{**cell, **changes})


def results_of(*rows: Row) -> dict:
    known = {"title": "CLIP", "width": 4032, "height": 3024, "photos": {1: 100, 2: 300}, "mean_kb": 1900.0}
    return {
        "machine": {"processor": "A processor", "cores": 2, "memory_gb": 24.0},
        "versions": {"python": "3.11"},
        "run": {"date": "2026-01-01", "passes": 5},
        "sets": {"b-clip": {**known, "rates": {"forward": 100.0, "decode": 300.0, "dtype": "bfloat16"}}},
        "rows": [one.as_json() for one in rows],
    }


def test_one_slow_pass_does_not_count():
    passes = [{"seconds": seconds, "cpu_seconds": 2 * seconds} for seconds in (1.0, 2.0, 9.0)]
    measured = {"passes": passes, "peak_memory_bytes": 1, "cold_start_seconds": 1.0, "without_vector": 0}
    found = row_of(measured, RATES, engine="e", title="E", track=1, set="a", encoder="clip", photos=100)
    assert (found.photos_per_second, found.cpu_seconds) == (50.0, 40.0)


def test_shares_are_of_forward_of_the_slower_and_of_cores_that_do_both():
    found = row("claimlens", 60.0, 30.0)
    assert found.of_forward == found.of_minimum == pytest.approx(0.6)
    assert found.of_cores == pytest.approx(60 / 75)


def test_a_failed_engine_keeps_its_row_and_its_reason():
    failed = row_of(
        {"failed": "no | luck"}, RATES, engine="ray", title="Ray", track=1, set="b", encoder="clip", photos=9
    )
    assert "| Ray | failed: no / luck | - |" in markdown(results_of(row("claimlens", 60, 30), failed))


def test_the_table_has_a_row_per_engine_with_both_tracks():
    text = markdown(results_of(row("claimlens", 60, 30), row("daft", 20, 90), row("daft", 55, 33, track=2)), "plot.png")
    lines = [line for line in text.splitlines() if line.startswith(("| **Claimlens**", "| Daft"))]
    assert len(lines) == 2
    assert lines[0].count("|") == lines[1].count("|") == 11
    assert "| 20.0 | 90.0 | 2,000 | 3.0 |" in lines[1]
    assert lines[1].endswith("| 55.0 | 33.0 |")
    assert "](plot.png)" in text
    assert "(100 photos and with the same kernel 300 photos a pass," in text


def test_an_engine_that_keeps_broken_photos_or_gives_other_vectors_is_named():
    other = row("daft", 20, 90)
    text = markdown(
        results_of(row("claimlens", 60, 30), Row(**{**other.as_json(), "without_vector": 0, "smallest_cosine": 0.9}))
    )
    assert "Daft gives broken photos a vector (track 1)" in text
    assert "cosine 0.900" in text


def test_figures_say_reached_or_missed_by_how_much():
    found = {
        check.figure: check for check in checks([row("claimlens", 60, 30), row("daft", 20, 50), row("ray", 30, 90)])
    }
    cpu = next(check for figure, check in found.items() if "CPU seconds" in figure)
    assert "Daft" in cpu.figure
    assert not cpu.reached
    assert cpu.text.startswith("missed by 0.10")
    speed = next(check for figure, check in found.items() if "fastest" in figure)
    assert "Ray" in speed.figure
    assert speed.reached


def test_overhead_is_told_from_passes_beside_the_plain_loop_and_one_slow_pass_says_nothing():
    def passes(seconds: float, cpu: float) -> list[dict[str, float]]:
        return [{"seconds": seconds * slow, "cpu_seconds": cpu * slow} for slow in (1, 1, 3)]

    overhead = {"b-clip": {"photos": 768, "passes": {"claimlens": passes(10.4, 22), "dataloader": passes(10, 20)}}}
    time, cpu = (check for check in checks([row("claimlens", 50, 30)], overhead) if "plain loop" in check.figure)
    assert time.measured == pytest.approx(0.04)
    assert time.reached
    assert cpu.text == (
        "missed by 0.050: CPU seconds over the plain loop's with the same kernel, set B, clip: 0.100 (at most 0.050)"
    )
    text = markdown({**results_of(row("claimlens", 50, 30)), "overhead": overhead})
    assert "| b, clip | 768 | 3 | +4.0% | +10.0% |" in text


def test_memory_that_grows_is_told_by_the_median_slope():
    steady = [{"photos": 1000 * n, "host_bytes": 500e6 + (9e8 if n < 5 else 0)} for n in range(1, 51)]
    assert growth(steady)["mb_per_10000"] == 0
    leaking = [{"photos": 1000 * n, "host_bytes": 500e6 + n * 1e6} for n in range(1, 51)]
    found = growth(leaking)
    assert found["mb_per_10000"] == pytest.approx(10)
    assert (found["first_mb"], found["last_mb"]) == (505, 550)


def test_stages_add_up_to_the_whole_job():
    parts = {
        name: {"cpu_seconds": seconds}
        for name, seconds in {"read": 1, "carried": 3, "embedded": 40, "written": 41}.items()
    }
    stages = stages_of(parts, {"decode": 10.0, "forward": 20.0, "wait": 5.0})
    assert stages["transport"] == 2
    assert stages["write"] == 1
    assert sum(stages[name] for name in ("read", "transport", "decode", "forward", "rest")) == pytest.approx(40)


def test_cpu_time_is_that_of_the_whole_tree():
    fields = "S 1 1 1 0 -1 0 0 0 0 0 300 100 50 50 20 0 1 0 9 9"
    root = parsed_stat(7, f"7 (a (name) with ) in it) {fields}")
    assert root.parent == 1
    assert root.own == 4 * root.ended_children
    child = parsed_stat(8, f"8 (child) {fields.replace('S 1', 'S 7', 1)}")
    stranger = parsed_stat(9, f"9 (stranger) {fields}")
    assert [process.pid for process in below(7, {9: stranger, 8: child, 7: root})] == [7, 8]
    assert lost_seconds({7: root, 8: child}, {7: root}) == child.own + child.ended_children


def test_cpu_seconds_between_samples_lie_on_a_line():
    points = [(0.0, 10.0), (2.0, 20.0)]
    assert [interpolated(points, moment) for moment in (-1, 1, 5)] == [10, 15, 20]


def test_one_photo_in_a_hundred_is_odd_and_both_kinds_occur():
    assert len(odd_photos(1000)) == 10
    few = odd_photos(20)
    assert set(few.values()) == {"truncated", "progressive"}
    assert 0 not in few


def test_the_table_goes_between_its_markers(tmp_path):
    page = tmp_path / "README.md"
    begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    put_between_markers(page, "bench", "new")
    assert page.read_text() == f"before\n{begin}\nnew\n{end}\nafter\n"
    page.write_text("no markers")
    with pytest.raises(ValueError, match="bench:begin"):
        put_between_markers(page, "bench", "new")
