"""Writing an index on the executors: tasks that die are repeated, vectors are indexed, and searches stay exact."""

import os
import signal

import numpy as np
import pyarrow as pa
import pytest

from jobs.index.filters import parse_filter
from jobs.index.opening import open_reader, open_writer
from jobs.index.schemas import spark_columns
from jobs.index.stores.lance import reader as lance_reader
from jobs.index.stores.lance import segments
from jobs.index.stores.lance.dataset import opened
from jobs.settings.sections import IndexSettings
from tests.unit.index.index_rows import DIMENSION, MODEL, entity_rows, keys, photo_id, unit_vectors

pytestmark = pytest.mark.slow

CLAIM = [{"claim_id": "C-1", "amount_total": 9000.0}]


@pytest.fixture
def settings(tmp_path):
    return IndexSettings(root=str(tmp_path / "index"))


def framed(spark, table, tasks=2):
    """The rows as a Spark frame: vectors are lists of any length there."""
    place = table.schema.get_field_index("vector")
    if place >= 0:
        table = table.set_column(place, "vector", table["vector"].cast(pa.list_(pa.float32())))
    schema = spark_columns(table.schema, table.schema.names)
    return spark.createDataFrame(table, schema).repartition(tasks, "entity_id")


def test_a_task_that_is_killed_when_its_rows_are_written_is_repeated_and_nothing_is_lost_or_doubled(spark, settings):
    rows = framed(spark, entity_rows(range(400)))

    def killing(batches):
        from pyspark import TaskContext

        yield from batches
        task = TaskContext.get()
        if task.attemptNumber() == 0 and task.partitionId() == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    writer = open_writer(settings, MODEL, DIMENSION)
    written = writer.replace(rows.mapInArrow(killing, rows.schema))
    assert (written.rows, written) == (400, writer.fingerprint())
    ids = opened(writer.location).to_table(columns=["entity_id"])["entity_id"].to_pylist()
    assert sorted(ids) == [photo_id(number) for number in range(400)]


def test_an_index_of_vectors_is_built_by_the_executors_and_follows_changes(spark, settings, monkeypatch):
    monkeypatch.setattr(segments, "INDEXED_ROWS", 1000)
    monkeypatch.setattr(lance_reader, "EXACT_ROWS", 20)
    writer = open_writer(settings, MODEL, DIMENSION)
    writer.replace(framed(spark, entity_rows(range(2000), claims=dict.fromkeys(range(0, 2000, 100), CLAIM))))
    dataset = opened(writer.location)
    assert segments.has_vectors(dataset)
    assert segments.rows_outside(dataset) == 0
    writer.apply(framed(spark, entity_rows(range(2000, 2010))), framed(spark, keys([7])))
    writer.optimise(spark)
    reader = open_reader(settings, MODEL)
    ids = [number for number in range(2010) if number != 7]
    vectors = np.concatenate([unit_vectors(1, seed=number) for number in ids])
    hits = 0
    for seed in range(5000, 5020):
        query = unit_vectors(1, seed=seed)
        best = [ids[place] for place in np.argsort(-(vectors @ query[0]))[:10]]
        hits += len(set(best) & {int(row.entity_id, 16) for row in reader.nearest(query, 10)})
    assert hits >= 196
    assert [int(row.entity_id, 16) for row in reader.nearest(unit_vectors(1, seed=2005), 1)] == [2005]
    found = reader.nearest(unit_vectors(1, seed=77), 30, [parse_filter("amount_total > 5000")])
    assert {int(row.entity_id, 16) for row in found} == set(range(0, 2000, 100))
