"""Classification in Spark: once a photo and head, counted, safe to repeat, and usable from SQL."""

import dataclasses
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from jobs import classify
from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.writes import append_once
from tests.conftest import settings_in
from tests.models import build_vit
from tests.unit.heads.concepts import MODEL_KEY, TAXONOMY, photo, small_head
from udfs.functions.classify import classify_udf

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SHOWN = {
    "severe dent": photo(a_dent=1, dents=1, intact=1, heavy=1, the_rear=1),
    "minor dent": photo(a_dent=1, dents=1, intact=1, slight=1, the_front=1),
    "intact": photo(no_dent=1, intact=1),
    "unclear": photo(a_dent=1, dents=1, intact=1, heavy=1, medium=0.99, the_rear=1),
}


def add_rows(context, table, rows):
    """Rows given by their interesting columns only; the rest is null or of this run."""
    columns = CONTRACTS[table].columns
    fixed = {"run_id": "earlier", "first_seen": NOW, "ingested_at": NOW, "embedded_at": NOW, "record_hash": "0"}
    values = [tuple({**fixed, **row}.get(column.name) for column in columns) for row in rows]
    append_once(context.lakehouse, context.spark.createDataFrame(values, CONTRACTS[table].schema), table)


def photo_id(number):
    return f"{number:064x}"


def embedding(number, vector, model_key=MODEL_KEY):
    facts = {"entity": "photo", "entity_id": photo_id(number), "model_key": model_key}
    if vector is None:
        return facts | {"status": "failed", "error_code": "model_failed"}
    return facts | {"status": "ok", "vector": vector.tolist(), "dimension": len(vector), "norm": 1.0}


def context_in(folder):
    """A context whose tables lie in the folder, and whose classifier knows the directions of the small taxonomy."""
    return JobContext.create(settings_in(folder)).with_head(small_head())


@pytest.fixture
def context(spark, tmp_path):
    return context_in(tmp_path)


def test_each_embedded_photo_is_classified_once_under_each_head(context):
    rows = [embedding(number, vector) for number, vector in enumerate(SHOWN.values())]
    add_rows(context, "embeddings", [*rows, embedding(8, None), embedding(9, SHOWN["intact"], "another model")])

    waiting = classify.run(dataclasses.replace(context, dry_run=True))
    assert (waiting.status, waiting.counts.rows_in, waiting.details["pending"]) == ("dry_run", 4, 4)
    assert not context.lakehouse.exists("damage_predictions")

    report = classify.run(context)
    assert (report.status, report.counts.rows_in, report.counts.written, report.counts.skipped) == ("done", 4, 4, 0)
    assert report.details["label_distribution"] == {"dent": 3, "none": 1}
    assert report.details["severity_distribution"] == {"minor": 1, "none": 1, "severe": 2}
    assert report.details["decisions"] == {"accepted": 3, "review": 1}
    dents = report.details["score_quantiles"]["damage/dent"]
    assert 0 <= dents["p05"] <= dents["p50"] <= dents["p95"] <= 1
    stored = {row["photo_id"]: row for row in context.lakehouse.read("damage_predictions").collect()}
    assert stored[photo_id(0)]["labels"] == ["dent"]
    assert (stored[photo_id(0)]["severity"], stored[photo_id(0)]["part"]) == ("severe", "rear")
    assert stored[photo_id(2)]["severity"] is None
    assert stored[photo_id(3)]["decision"] == "review"
    assert {(row["head_key"], row["taxonomy"]) for row in stored.values()} == {(report.details["head_key"], "small")}

    assert tuple(stored[photo_id(3)]["closest"]) == ("severity", "severe", "moderate")
    (known,) = context.lakehouse.read("heads").collect()
    assert (known["head_key"], known["kind"]) == (report.details["head_key"], "zero_shot/1")
    assert json.loads(known["content"])["facets"][0]["classes"][0]["prompts"] == ["a dent", "dents"]

    again = classify.run(context.next_job())
    assert (again.status, again.counts.written, again.counts.skipped) == ("nothing_to_do", 0, 4)

    stricter = context.with_head(small_head(TAXONOMY.replace("threshold: 0.7", "threshold: 0.6")))
    other = classify.run(stricter.next_job())
    assert other.counts.written == 4
    assert other.details["head_key"] != report.details["head_key"]
    assert context.lakehouse.read("damage_predictions").count() == 8


def test_a_model_without_a_text_tower_is_skipped_with_the_reason(spark, tmp_path):
    model = build_vit(tmp_path / "vit")
    report = classify.run(JobContext.create(settings_in(tmp_path, f"models.photo.name={model}")))
    assert report.status == "skipped"
    assert "no text tower" in report.details["reason"]
    assert "models.photo.name" in report.details["reason"]


def test_the_head_is_a_function_of_sql(spark):
    head = small_head()
    spark.udf.register("classify_damage", classify_udf(head))
    rows = [("severe dent", SHOWN["severe dent"].tolist()), ("no vector", None)]
    spark.createDataFrame(rows, "name string, vector array<float>").createOrReplaceTempView("vectors")
    seen = {
        row["name"]: row["seen"]
        for row in spark.sql("SELECT name, classify_damage(vector) seen FROM vectors").collect()
    }
    expected = head.predict(np.stack([SHOWN["severe dent"]]))
    assert (seen["severe dent"]["labels"], seen["severe dent"]["severity"]) == (["dent"], "severe")
    assert seen["severe dent"]["scores"]["damage/dent"] == pytest.approx(expected.scores[0, 0])
    assert seen["no vector"]["labels"] is None
