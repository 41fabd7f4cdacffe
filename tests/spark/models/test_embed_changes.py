"""embed looks only at what has changed since its last run, and finds all of it, whoever changed it."""

import shutil

import pytest
from pyspark.sql import functions as F

from jobs import embed
from jobs.job.context import JobContext
from jobs.job.execution import execute
from jobs.lakehouse.writes import append_once, delete_keys
from tests.conftest import settings_in
from tests.spark.rows import add_photos, jpeg, passage_id, put_narratives

COLOURS = [(red, 10, 90) for red in range(0, 250, 30)]


@pytest.fixture
def context(spark, tmp_path, clip):
    return JobContext.create(settings_in(tmp_path, f"models.photo.name={clip}", "embed.classify=false"))


@pytest.mark.slow
def test_only_what_has_changed_since_the_last_run_is_looked_at(context, tables_created, monkeypatch):
    lakehouse = context.lakehouse
    first = add_photos(lakehouse, [jpeg(colour) for colour in COLOURS[:5]])
    put_narratives(context, {"c1": "a dented door", "c2": "glass"})
    execute("embed", embed.run, context)
    quiet = execute("embed", embed.run, context.next_job())
    with monkeypatch.context() as patch:  # neither is all compared, nor anything sought
        patch.delattr("jobs.steps.embed.run.entities_of")
        again = execute("embed", embed.run, context.next_job())
    assert (again.status, again.counts) == ("nothing_to_do", quiet.counts)
    new = add_photos(lakehouse, [jpeg(colour) for colour in COLOURS[5:7]])
    put_narratives(context, {"c1": "a broken lamp", "c2": "glass"})
    delete_keys(lakehouse, context.spark.createDataFrame([(first[0],)], "photo_id string"), "photos")
    delete_keys(lakehouse, context.spark.createDataFrame([(first[1],)], "entity_id string"), "embeddings")
    foreign = lakehouse.read("embeddings").where(F.col("entity_id") == first[2])
    append_once(lakehouse, foreign.withColumns({"entity_id": F.lit("f" * 64), "run_id": F.lit("other")}), "embeddings")
    with monkeypatch.context() as patch:
        patch.delattr("jobs.steps.embed.run.compared")
        report = execute("embed", embed.run, context.next_job())
    details = report.details
    assert (details["photos_embedded"], details["passages_embedded"], details["stale_removed"]) == (3, 1, 3)
    assert (report.counts.rows_in, details["totals"]) == (8, {"photo": 6, "passage": 2})
    held = {row["entity_id"] for row in lakehouse.read("embeddings").collect()}
    assert held == {*first[1:], *new, passage_id("a broken lamp"), passage_id("glass")}
    # The same version of another table: photos are dropped and made anew.
    quiet = execute("embed", embed.run, context.next_job())
    shutil.rmtree(lakehouse.path("photos").removeprefix("file:"))
    anew = JobContext.create(context.settings)
    while anew.lakehouse.exists("photos") is False or anew.lakehouse.version("photos") < quiet.versions_in["photos"]:
        other = add_photos(anew.lakehouse, [jpeg((len(held), 1, 1))])
        held = {*held, *other}
    report = embed.run(anew)
    assert (report.details["photos_embedded"], report.details["stale_removed"]) == (len(held) - 8, 6)
