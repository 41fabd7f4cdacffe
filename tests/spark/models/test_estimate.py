"""Estimate: a timed sample, plans for one machine and for several, no table touched, and embed says how far off."""

import dataclasses

import pytest

from jobs import embed, estimate
from jobs.job.context import JobContext
from jobs.job.execution import execute
from jobs.steps.embed.comparison import compare_with_estimate
from tests.conftest import settings_in
from tests.spark.rows import add_photos, jpeg, put_narratives

pytestmark = pytest.mark.slow

COLOURS = [(red, green, 90) for red in range(0, 250, 40) for green in (10, 120, 200)]


@pytest.fixture
def context(spark, tmp_path, clip):
    settings = settings_in(
        tmp_path,
        f"models.photo.name={clip}",
        "models.photo.batch_size=2",
        "embed.classify=false",
        "embed.wave_photos=8",
        "estimate.machines=3",
        "estimate.price_per_hour=2.5",
    )
    return JobContext.create(settings)


def contents(context, *tables):
    return {table: sorted(map(str, context.lakehouse.read(table).collect())) for table in tables}


def folders(tmp_path):
    return sorted(path.name for path in (tmp_path / "lakehouse").iterdir() if not path.name.startswith("_"))


def test_an_estimate_plans_for_this_machine_and_a_cluster_and_touches_no_table(context, tmp_path):
    add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS])
    put_narratives(context, {"c1": "a dented door", "c2": "glass", "c3": None})
    before = contents(context, "photos", "claims")
    report = execute("estimate", estimate.run, context)
    assert report.status == "done"
    details = report.details
    assert details["pending"] == {"photo": len(COLOURS), "passage": 2}
    assert details["sample"]["photo"]["rows"] == len(COLOURS)
    assert details["sample"]["photo"]["failed"] == 0
    here, cluster = details["plans"]
    assert (here["machines"], cluster["machines"]) == (1, 3)
    for plan in (here, cluster, details["as_set"]):
        assert plan["photos_per_second"] > 0
        assert plan["seconds_range"][0] <= plan["seconds"] <= plan["seconds_range"][1]
        assert plan["cost"] == pytest.approx(plan["hours"] * plan["machines"] * 2.5, abs=1e-3)
    assert details["batch_size"] == 2
    assert contents(context, "photos", "claims") == before
    assert folders(tmp_path) == ["claim_passages", "claims", "job_runs", "passages", "photos"]
    assert not list((tmp_path / "lakehouse").glob("_staging/waves/*"))
    (row,) = context.lakehouse.read("job_runs").collect()
    assert (row["job"], row["run_id"]) == ("estimate", context.run_id)


def test_embed_says_how_far_off_the_estimate_was(context):
    add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS])
    estimated = execute("estimate", estimate.run, context)
    # More photos have come since: the estimate is scaled to them.
    add_photos(context.lakehouse, [jpeg((colour[0], colour[1], 7)) for colour in COLOURS])
    report = execute("embed", embed.run, context.next_job())
    found = report.details["estimate"]
    assert found["run_id"] == estimated.run_id
    assert found["predicted_seconds"] > 0
    assert found["off_by"] == pytest.approx(found["actual_seconds"] / found["predicted_seconds"] - 1, abs=1e-3)
    # It went in waves enough for the next estimate to take the commits' cost from it.
    add_photos(context.lakehouse, [jpeg((colour[0], colour[1], 8)) for colour in COLOURS[:2]])
    again = execute("estimate", estimate.run, context.next_job())
    assert again.details["commits"] == f"embed's run {report.run_id}"


def test_only_an_estimate_of_the_same_model_is_compared(context):
    add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS[:3]])
    assert compare_with_estimate(context, "another", {"photo": 3}, {"photo": 1.0}) is None
    report = execute("estimate", estimate.run, context)
    key = report.details["model_key"]
    assert compare_with_estimate(context, "another", {"photo": 3}, {"photo": 1.0}) is None
    assert compare_with_estimate(context, key, {"photo": 0}, {}) is None
    predicted = compare_with_estimate(context, key, {"photo": 3}, {"photo": 1.0})["predicted_seconds"]
    # The report gives tenths of a second.
    assert predicted == pytest.approx(report.details["as_set"]["seconds"], abs=0.051)
    twice = compare_with_estimate(context, key, {"photo": 3}, {"photo": 2 * predicted})
    assert twice["off_by"] == pytest.approx(1, abs=0.01)


def test_nothing_pending_says_so(context):
    assert execute("estimate", estimate.run, context).status == "nothing_to_do"
    add_photos(context.lakehouse, [jpeg((1, 2, 3))])
    embed.run(context.next_job())
    report = execute("estimate", estimate.run, context.next_job())
    assert (report.status, report.details["pending"]["photo"]) == ("nothing_to_do", 0)
    assert (report.counts.rows_in, report.counts.skipped) == (1, 1)


def test_a_dry_run_only_counts(context):
    add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS[:4]])
    report = execute("estimate", estimate.run, dataclasses.replace(context, dry_run=True))
    assert (report.status, report.details["pending"]) == ("dry_run", {"photo": 4})
    assert "plans" not in report.details
    assert not context.lakehouse.exists("job_runs")
