"""What the report says of the work: seconds summed over batches, figures of a process taken once."""

from jobs.steps.embed.measures import Work

GAUGES = {"loads": 1.0, "load_seconds": 8.0, "resident_bytes": 100.0, "peak_bytes": 500.0, "batch_size": 32.0}


def test_seconds_are_summed_and_a_processes_figures_counted_once():
    work = Work(seconds=2.5, waves=3, wall={"photo": 3.5, "passage": 0.5})
    work.add([("a:1", {**GAUGES, "rows": 10.0, "decode": 1.0, "forward": 2.0})])
    work.add(
        [
            ("a:1", {**GAUGES, "decode": 0.25, "wait": 0.5, "peak_bytes": 700.0}),
            ("b:1", {**GAUGES, "load_seconds": 9.0, "forward": 3.0}),
        ]
    )
    assert work.as_details() == {
        "workers": 2,
        "model_loads": 2,
        "model_load_seconds": 9.0,
        "resident_bytes": 100,
        "peak_bytes": 700,
        "batch_size": 32,
        "waves": 3,
        "inference_seconds": 2.5,
        "commit_seconds": 1.5,
        "stage_seconds": {"decode": 1.25, "forward": 5.0, "wait": 0.5},
    }


def test_a_batch_size_that_shrank_for_want_of_memory_is_the_one_reported():
    work = Work()
    for size in (256.0, 64.0, 128.0):
        work.add([("a:1", {**GAUGES, "batch_size": size})])
    assert work.as_details()["batch_size"] == 64


def test_another_model_loaded_later_by_the_same_process_counts():
    work = Work()
    work.add([("a:1", {"loads": 1.0}), ("a:1", {"loads": 2.0}), ("a:1", {"loads": 1.0})])
    assert (work.as_details()["workers"], work.as_details()["model_loads"]) == (1, 2)


def test_no_work_has_figures_too():
    details = Work().as_details()
    assert (details["workers"], details["model_loads"], details["batch_size"]) == (0, 0, 0)
    assert details["stage_seconds"] == {}
