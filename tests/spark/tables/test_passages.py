"""Passages: each text once, whatever claims hold it; links follow the narratives; nothing is left behind."""

import pytest

from jobs.job.context import JobContext
from jobs.lakehouse.writes import delete_keys
from jobs.steps.ingest.passages import derive_passages
from tests.spark.rows import passage_id, put_narratives


@pytest.fixture
def context(spark, settings):
    return JobContext.create(settings)


def passages(context):
    return {row["passage_id"]: row["text"] for row in context.lakehouse.read("passages").collect()}


def links(context):
    rows = context.lakehouse.read("claim_passages").collect()
    return {(row["claim_id"], row["position"]): row["passage_id"] for row in rows}


def test_passages_follow_the_narratives(context):
    counts = put_narratives(context, {"c1": "glass", "c2": "glass", "c3": "a dent", "c4": "  ", "c5": None})
    assert counts == {"written": 3, "removed": 0, "passages_written": 2, "passages_removed": 0}
    assert passages(context) == {passage_id(text): text for text in ("glass", "a dent")}
    assert links(context) == {
        ("c1", 0): passage_id("glass"),
        ("c2", 0): passage_id("glass"),
        ("c3", 0): passage_id("a dent"),
    }
    version = context.lakehouse.version("passages")
    assert not any(derive_passages(context).values())
    assert context.lakehouse.version("passages") == version

    counts = put_narratives(context, {"c2": "rain", "c3": ""})
    assert counts == {"written": 1, "removed": 1, "passages_written": 1, "passages_removed": 1}
    assert links(context) == {("c1", 0): passage_id("glass"), ("c2", 0): passage_id("rain")}
    assert set(passages(context).values()) == {"glass", "rain"}


@pytest.mark.slow
def test_a_passage_that_got_lost_between_two_runs_comes_back(context):
    put_narratives(context, {"c1": "glass", "c2": "a dent"})
    delete_keys(context.lakehouse, context.lakehouse.read("passages").limit(1).select("passage_id"), "passages")
    derive_passages(context)
    assert set(passages(context).values()) == {"glass", "a dent"}
