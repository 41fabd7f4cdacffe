"""Embedding: every photo gets one row, a run resumes where it stopped, and a machine loads the model once."""

from datetime import timedelta

import pytest
from pyspark.sql import functions as F

from jobs import embed
from jobs.job.context import JobContext
from jobs.job.pending import KEY, SOURCES, pending_entities
from jobs.lakehouse.plan import staged_plan
from jobs.lakehouse.writes import append_once, delete_keys
from tests.conftest import settings_in
from tests.models import build_vit
from tests.spark.rows import add_photos, filled, jpeg, passage_id, put_narratives
from udfs.errors import FailureRateError, ModelError
from udfs.models import ModelReference
from udfs.outcome import ERROR_CODES

COLOURS = [(red, green, 90) for red in range(0, 250, 60) for green in (10, 200)]


@pytest.fixture
def context(spark, tmp_path, clip):
    settings = settings_in(
        tmp_path,
        f"models.photo.name={clip}",
        "embed.wave_photos=4",
        "models.photo.batch_size=2",
        "embed.classify=false",
    )
    return JobContext.create(settings)


def test_every_photo_and_passage_gets_one_unit_vector_and_a_second_run_does_nothing(context):
    ids = add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS])
    put_narratives(context, {"c1": "a dented door", "c2": "glass", "c3": None, "c4": "  ", "c5": "glass"})
    report = embed.run(context)
    rows = context.lakehouse.read("embeddings")
    assert {row["entity_id"] for row in rows.where("entity = 'photo'").collect()} == set(ids)
    texts = {row["entity_id"] for row in rows.where("entity = 'passage'").collect()}
    assert texts == {passage_id("a dented door"), passage_id("glass")}
    assert rows.where(F.abs(F.col("norm") - 1) > 1e-3).count() == 0
    assert (report.counts.rows_in, report.counts.written, report.counts.failed) == (len(ids) + 2, len(ids) + 2, 0)
    assert report.details["photos_embedded"] == len(ids)
    assert report.details["workers"] == 1  # for all tasks of all waves
    again = embed.run(context.next_job())
    assert (again.status, again.counts.written, again.counts.skipped) == ("nothing_to_do", 0, len(ids) + 2)


def photos_in(context, partitions: int = 6):
    photos = context.lakehouse.read("photos").select(F.col("photo_id").alias("entity_id"), "jpeg")
    return photos.repartition(partitions)


def test_all_tasks_of_a_machine_share_one_process_and_one_load(context, tmp_path):
    from udfs.functions.embed import EMBEDDING_SCHEMA, embed_photo_batches

    add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS])
    model = ModelReference(str(build_vit(tmp_path / "vit", seed=3)))
    first, second = (
        photos_in(context)
        .mapInArrow(embed_photo_batches(model, 2), EMBEDDING_SCHEMA)
        .select(
            "status", "worker", F.spark_partition_id().alias("partition"), F.col("measures")["loads"].alias("loads")
        )
        .collect()
        for _ in range(2)
    )
    rows = [*first, *second]
    assert [row["status"] for row in rows] == ["ok"] * 2 * len(COLOURS)
    assert len({row["partition"] for row in rows}) > 2  # more tasks than run at a time
    assert len({row["worker"] for row in rows}) == 1
    # The process has other tests' models too: this one was loaded once, so the count is the same all along.
    assert len({row["loads"] for row in rows if row["loads"] is not None}) == 1


@pytest.mark.slow
def test_a_job_reports_its_processes_loads_and_where_the_time_went(context):
    add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS])
    details = embed.run(context).details
    assert details["workers"] == 1
    assert details["model_loads"] >= 1
    assert details["batch_size"] == 2
    assert details["resident_bytes"] > 0
    assert details["peak_bytes"] > details["resident_bytes"]
    assert {"decode", "forward"} <= details["stage_seconds"].keys()
    assert sum(details["stage_seconds"].values()) > 0


@pytest.mark.slow
def test_a_process_that_is_killed_costs_a_retry_and_no_photo(context, tmp_path):
    from udfs.functions.embed import EMBEDDING_SCHEMA, embed_photo_batches

    ids = add_photos(
        context.lakehouse, [jpeg((red, green, 20)) for red in range(0, 250, 20) for green in range(0, 250, 14)]
    )
    run = embed_photo_batches(context.model.reference, 2)
    flag = tmp_path / "killed"

    def killing(batches):
        import os
        import signal

        for batch in run(batches):
            try:
                flag.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                worker = batch.column("worker")[0].as_py()
                flag.write_text(worker)
                os.kill(int(worker.rpartition(":")[2]), signal.SIGKILL)
            yield batch

    rows = photos_in(context).mapInArrow(killing, EMBEDDING_SCHEMA).select("entity_id", "status", "worker").collect()
    assert sorted(row["entity_id"] for row in rows) == sorted(set(ids))
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["worker"] for row in rows} - {flag.read_text()}


def photos_pending(context):
    snapshot = context.pin(*SOURCES)
    (pending,) = pending_entities(context, snapshot, context.model.model_key, has_text=False)
    return pending


def test_a_wave_reads_only_the_files_that_arrived_in_it(context):
    arrived = [add_photos(context.lakehouse, [jpeg(colour) for colour in part]) for part in (COLOURS[:3], COLOURS[3:6])]
    pending = photos_pending(context)
    with staged_plan(context.lakehouse, KEY, pending.keys, context.run_id) as plan:
        waves = plan.waves(4)
        assert [wave.rows for wave in waves] == [3, 3]
        frames = [plan.rows_of(wave, pending.source) for wave in waves]
        for frame, ids in zip(frames, arrived, strict=True):
            assert sorted(row["entity_id"] for row in frame.collect()) == sorted(ids)
        everything = {name for name in pending.source.inputFiles() if "/photos/" in name}
        read = [set(frame.inputFiles()) & everything for frame in frames]
    assert all(read)
    assert read[0] | read[1] == everything
    assert not read[0] & read[1]


@pytest.mark.slow
def test_what_is_pending_and_stale_is_found_whatever_the_changes_are(context):
    first = add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS[:5]])
    embed.run(context)
    assert not photos_pending(context).differing
    new = add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS[5:7]])
    gone = context.spark.createDataFrame([(first[0],)], "photo_id string")
    delete_keys(context.lakehouse, gone, "photos")
    pending = photos_pending(context)
    assert pending.total == 6
    assert {row["entity_id"] for row in pending.keys.collect()} == set(new)
    assert [row["entity_id"] for row in pending.stale.collect()] == first[:1]
    assert 0 < len(pending.differing) <= 3  # and nothing else is looked at


@pytest.mark.slow
def test_an_arrival_larger_than_a_wave_is_embedded_in_shares(context):
    ids = add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS])  # ten, by waves of four
    assert embed.run(context).counts.written == len(ids)
    rows = context.lakehouse.read("embeddings").select("entity_id").collect()
    assert sorted(row["entity_id"] for row in rows) == sorted(ids)


@pytest.mark.slow
def test_the_function_for_sql_gives_the_jobs_vectors_and_null_where_there_is_none(context, spark):
    from udfs.functions.embed import photo_embedding_udf

    good = [jpeg(colour) for colour in COLOURS]
    add_photos(context.lakehouse, [*good, good[0][:200]])
    embed.run(context)
    context.lakehouse.read("photos").repartition(3).createOrReplaceTempView("photos_for_sql")
    spark.udf.register("embed_photo", photo_embedding_udf(context.model.reference, 2))
    asked = spark.sql("SELECT photo_id, embed_photo(jpeg) AS vector FROM photos_for_sql").collect()
    stored = {row["entity_id"]: row["vector"] for row in context.lakehouse.read("embeddings").collect()}
    assert {row["photo_id"] for row in asked} == stored.keys()
    assert sum(row["vector"] is None for row in asked) == 1
    for row in asked:
        expected = stored[row["photo_id"]]
        assert row["vector"] == (None if expected is None else pytest.approx(expected, abs=0.02))


@pytest.mark.slow
def test_vectors_of_passages_and_photos_that_are_gone_go_too(context):
    first, second = add_photos(context.lakehouse, [jpeg(COLOURS[0]), jpeg(COLOURS[1])])
    put_narratives(context, {"c1": "a dented door", "c2": "glass"})
    embed.run(context)
    long = " ".join(["a broken lamp"] * 60)
    put_narratives(context, {"c1": long, "c2": "glass"})
    delete_keys(context.lakehouse, context.spark.createDataFrame([(first,)], "photo_id string"), "photos")
    report = embed.run(context.next_job())
    assert (report.details["passages_embedded"], report.details["stale_removed"]) == (1, 2)
    rows = {row["entity_id"]: row["tokens_cut"] for row in context.lakehouse.read("embeddings").collect()}
    assert rows.keys() == {second, passage_id(long), passage_id("glass")}
    # What the model did not read of a passage is counted and named.
    assert report.details["passages_cut"] == 1
    assert rows.pop(passage_id(long)) > 0
    assert rows == {second: None, passage_id("glass"): 0}


def test_a_photo_that_does_not_decode_keeps_its_row_with_a_code(context):
    good = [jpeg(colour) for colour in COLOURS[:3]]
    add_photos(context.lakehouse, [*good, good[0][:200]])
    report = embed.run(context)
    assert (report.counts.written, report.counts.failed) == (3, 1)
    (failed,) = context.lakehouse.read("embeddings").where("status = 'failed'").collect()
    assert failed["vector"] is None
    assert failed["error_code"] in report.counts.by_code


@pytest.mark.slow
def test_failures_that_may_pass_are_tried_again_and_others_when_asked(context):
    ids = add_photos(context.lakehouse, [*(jpeg(colour) for colour in COLOURS[:4]), b"not a jpeg"])
    soon, later = context.clock() - timedelta(hours=1), context.clock() + timedelta(hours=1)
    rows = [(ids[0], "out_of_memory", soon), (ids[1], "model_failed", later), (ids[2], "decoder_crashed", None)]
    frame = context.spark.createDataFrame(rows, "entity_id string, error_code string, retry_after timestamp")
    values = {"entity": "photo", "model_key": context.model.model_key, "status": "failed", "attempts": 1}
    values |= {"embedded_at": soon}
    frame = filled(frame, "embeddings", **{name: F.lit(value) for name, value in values.items()})
    append_once(context.lakehouse, frame, "embeddings")
    first = embed.run(context)
    assert (first.counts.written, first.counts.failed, first.counts.skipped) == (2, 1, 2)
    assert first.details["still_failing"] == {"model_failed": 1, "decoder_crashed": 1}
    again = embed.run(context.next_job())
    assert (again.status, sum(again.details["still_failing"].values())) == ("nothing_to_do", 3)
    asked = embed.run(context.next_job(), retry_failed="all")
    assert (asked.counts.written, asked.counts.failed, "still_failing" in asked.details) == (2, 1, False)
    stored = {row["entity_id"]: row for row in context.lakehouse.read("embeddings").collect()}
    assert [stored[key]["status"] for key in ids] == ["ok"] * 4 + ["failed"]
    assert [stored[key]["attempts"] for key in ids] == [None] * 4 + [2]


def test_an_outage_of_the_device_leaves_no_row_behind(spark, tmp_path, clip, monkeypatch):
    from jobs.steps.embed import embedding

    limits = ("limits.failure_minimum=2", "limits.failure_rate=0.3", "embed.classify=false")
    context = JobContext.create(settings_in(tmp_path, f"models.photo.name={clip}", *limits))
    add_photos(context.lakehouse, [jpeg((1, 2, 3)), b"not a jpeg", b"neither"])
    monkeypatch.setattr(embedding, "RETRYABLE", tuple(ERROR_CODES))  # as if these failures might pass
    with pytest.raises(FailureRateError, match="2 of 3 rows failed"):
        embed.run(context)
    assert [row["status"] for row in context.lakehouse.read("embeddings").collect()] == ["ok"]


def test_too_many_failures_stop_the_job_and_keep_what_was_done(spark, tmp_path, clip):
    settings = settings_in(
        tmp_path,
        f"models.photo.name={clip}",
        "embed.classify=false",
        "limits.failure_minimum=2",
        "limits.failure_rate=0.3",
    )
    context = JobContext.create(settings)
    add_photos(context.lakehouse, [jpeg((1, 2, 3)), b"not a jpeg", b"neither"])
    with pytest.raises(FailureRateError, match="2 of 3 rows failed"):
        embed.run(context)
    assert context.lakehouse.read("embeddings").count() == 3


@pytest.mark.slow
def test_a_vision_only_model_embeds_photos_and_no_passages(spark, tmp_path, tmp_path_factory):
    model = build_vit(tmp_path_factory.mktemp("models") / "vit")
    context = JobContext.create(settings_in(tmp_path, f"models.photo.name={model}"))
    add_photos(context.lakehouse, [jpeg((1, 2, 3))])
    put_narratives(context, {"c1": "a dented door"})
    report = embed.run(context)
    assert (report.details["photos_embedded"], report.details["passages_embedded"]) == (1, 0)


def test_new_photos_are_classified_in_the_same_pass(spark, tmp_path, clip):
    from jobs import classify

    context = JobContext.create(settings_in(tmp_path, f"models.photo.name={clip}"))
    add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS[:4]])
    report = embed.run(context)
    assert report.details["classified_in_pass"] == 4
    assert classify.run(context.next_job()).status == "nothing_to_do"


@pytest.mark.slow
def test_photos_erased_under_a_running_embed_leave_nothing_behind_once_their_jobs_run_again(
    spark, tmp_path, clip, monkeypatch
):
    from jobs import classify
    from jobs.steps.embed import embedding

    context = JobContext.create(settings_in(tmp_path, f"models.photo.name={clip}"))
    ids = add_photos(context.lakehouse, [jpeg(colour) for colour in COLOURS[:6]])

    def after_an_erasure(lakehouse, *arguments, **options):
        gone = context.spark.createDataFrame([(photo,) for photo in ids[:4]], "photo_id string")
        delete_keys(lakehouse, gone, "photos")
        return append_once(lakehouse, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(embedding, "append_once", after_an_erasure)
        counts = embed.run(context).counts
    assert counts.rows_in == counts.written + counts.skipped + counts.failed
    assert min(counts.written, counts.skipped, counts.failed) >= 0
    assert embed.run(context.next_job()).details["stale_removed"] == 4
    report = classify.run(context.next_job())
    assert (report.details["stale_removed"], report.counts.rows_in, report.counts.skipped) == (4, 2, 2)
    for table, column in (("embeddings", "entity_id"), ("damage_predictions", "photo_id")):
        assert {row[0] for row in context.lakehouse.read(table).select(column).collect()} == set(ids[4:])
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
        embed.run(JobContext.create(settings_in(tmp_path, "models.photo.name=/no/such/model")))
