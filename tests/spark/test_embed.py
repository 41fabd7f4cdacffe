"""Embedding: every photo gets one row, resumes where it stopped, and loads the model once per worker."""

import pytest
from pyspark.sql import functions as F

from jobs import embed
from jobs.runtime.context import JobContext
from tests.conftest import settings_in
from tests.models import build_clip, build_vit
from tests.spark.rows import add_photos, jpeg, put_claims
from udfs.errors import FailureRateError, ModelError

COLOURS = [(red, green, 90) for red in range(0, 250, 60) for green in (10, 200)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return build_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture
def context(spark, tmp_path, clip):
    settings = settings_in(
        tmp_path, f"model.name={clip}", "embed.wave_photos=4", "model.batch_size=2", "embed.classify=false"
    )
    return JobContext.create(settings)


def test_every_photo_and_narrative_gets_one_unit_vector_and_a_second_run_does_nothing(context):
    ids = add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS])
    put_claims(context.lakehouse, {"c1": "a dented door", "c2": "glass", "c3": None})
    report = embed.run(context)
    rows = context.lakehouse.read("embeddings")
    assert {row["entity_id"] for row in rows.where("entity = 'photo'").collect()} == set(ids)
    assert sorted(row["entity_id"] for row in rows.where("entity = 'narrative'").collect()) == ["c1", "c2"]
    assert rows.where(F.abs(F.col("norm") - 1) > 1e-3).count() == 0
    assert (report.counts.rows_in, report.counts.written, report.counts.failed) == (len(ids) + 2, len(ids) + 2, 0)
    assert report.details["photos_embedded"] == len(ids)
    # Waves of four photos, two tasks each: far more batches and tasks than worker processes, one load in each.
    assert 1 <= report.details["workers"] <= 2
    again = embed.run(context.next_job())
    assert (again.status, again.counts.written, again.counts.skipped) == ("nothing_to_do", 0, len(ids) + 2)


def test_a_worker_process_loads_the_model_once(context):
    from jobs.runtime.models import model_reference
    from udfs.embed import embed_photo_batches

    add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS])
    photos = context.lakehouse.read("photos").select(F.col("photo_id").alias("entity_id"), "jpeg").repartition(6)
    run = embed_photo_batches(model_reference(context.settings.model), 2)

    def loads(batches):
        import os

        import pyarrow as pa

        from udfs.residency import load_count

        for batch in run(batches):
            count = pa.array([load_count()] * batch.num_rows, pa.int32())
            process = pa.array([os.getpid()] * batch.num_rows, pa.int32())
            yield pa.RecordBatch.from_arrays([process, count], ["process", "loads"])

    seen = photos.mapInArrow(loads, "process int, loads int").distinct().collect()
    assert {row["loads"] for row in seen} == {1}
    assert len(seen) == len({row["process"] for row in seen})


def test_a_changed_narrative_replaces_its_vector(context):
    put_claims(context.lakehouse, {"c1": "a dented door", "c2": "glass"})
    embed.run(context)
    put_claims(context.lakehouse, {"c1": "a broken lamp", "c2": "glass"})
    report = embed.run(context.next_job())
    assert (report.details["narratives_embedded"], report.details["narratives_replaced"]) == (1, 1)
    assert context.lakehouse.read("embeddings").count() == 2


def test_a_photo_that_does_not_decode_keeps_its_row_with_a_code(context):
    good = [jpeg(colour) for colour in COLOURS[:3]]
    add_photos(context.lakehouse, [*good, good[0][:200]])
    report = embed.run(context)
    assert (report.counts.written, report.counts.failed) == (3, 1)
    (failed,) = context.lakehouse.read("embeddings").where("status = 'failed'").collect()
    assert failed["vector"] is None
    assert failed["error_code"] in report.counts.by_code


def test_too_many_failures_stop_the_job_and_keep_what_was_done(spark, tmp_path, clip):
    settings = settings_in(
        tmp_path, f"model.name={clip}", "embed.classify=false", "limits.failure_minimum=2", "limits.failure_rate=0.3"
    )
    context = JobContext.create(settings)
    add_photos(context.lakehouse, [jpeg((1, 2, 3)), b"not a jpeg", b"neither"])
    with pytest.raises(FailureRateError, match="2 of 3 rows failed"):
        embed.run(context)
    assert context.lakehouse.read("embeddings").count() == 3


def test_a_vision_only_model_embeds_photos_and_no_narratives(spark, tmp_path, tmp_path_factory):
    model = build_vit(tmp_path_factory.mktemp("models") / "vit")
    context = JobContext.create(settings_in(tmp_path, f"model.name={model}"))
    add_photos(context.lakehouse, [jpeg((1, 2, 3))])
    put_claims(context.lakehouse, {"c1": "a dented door"})
    report = embed.run(context)
    assert (report.details["photos_embedded"], report.details["narratives_embedded"]) == (1, 0)


def test_new_photos_are_classified_in_the_same_pass(spark, tmp_path, clip):
    from jobs import classify

    context = JobContext.create(settings_in(tmp_path, f"model.name={clip}"))
    add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS[:4]])
    report = embed.run(context)
    assert report.details["classified_in_pass"] == 4
    assert classify.run(context.next_job()).status == "nothing_to_do"


def test_a_dry_run_counts_and_changes_nothing(context):
    import dataclasses

    dry = dataclasses.replace(context, dry_run=True)
    assert embed.run(dry).counts.rows_in == 0
    assert not context.lakehouse.exists("embeddings")
    add_photos(context.lakehouse, [jpeg((1, 2, 3))])
    assert embed.run(dry).details["pending"] == {"photo": 1}
    assert not context.lakehouse.exists("embeddings")


def test_a_missing_model_is_named(spark, tmp_path):
    with pytest.raises(ModelError, match="/no/such/model"):
        embed.run(JobContext.create(settings_in(tmp_path, "model.name=/no/such/model")))
