"""What executors do to a Lance index, task by task, as Spark would hand it to them."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from lance import LanceDataset, LanceOperation
from lance.fragment import FragmentMetadata
from lance.indices import IndicesBuilder
from lance.optimize import Compaction

from jobs.index.opening import open_reader, open_writer
from jobs.index.schemas import HEAD_COLUMNS
from jobs.index.stores.lance import reader as lance_reader
from jobs.index.stores.lance import segments
from jobs.index.stores.lance.dataset import opened
from jobs.settings.sections import IndexSettings
from tests.unit.index.arrow_frame import ArrowFrame
from tests.unit.index.index_rows import DIMENSION, MODEL, entity_rows, unit_vectors
from udfs.functions.index_fragments import compact_batches, index_batches, read_batches, relabel_table


@pytest.fixture
def settings(tmp_path):
    return IndexSettings(root=str(tmp_path / "index"))


@pytest.fixture
def dataset(settings):
    """Two files, as two tasks write them."""
    writer = open_writer(settings, MODEL, DIMENSION)
    writer.replace(ArrowFrame(entity_rows(range(1000))))
    return opened(writer.location)


def numbers(dataset, *chosen):
    ids = chosen or [fragment.fragment_id for fragment in dataset.get_fragments()]
    return iter([pa.RecordBatch.from_pydict({"fragment": pa.array(ids, pa.int32())})])


def test_rows_are_read_with_their_vectors_and_where_they_are(dataset):
    read = read_batches(dataset.uri, dataset.version, ("entity_id", "vector"))
    rows = pa.Table.from_batches(list(read(numbers(dataset))))
    assert rows.num_rows == 1000
    assert rows.schema.field("vector").type == pa.list_(pa.float32())
    assert set(rows["fragment"].to_pylist()) == {0, 1}


def test_relabelling_writes_files_beside_the_vectors_which_stay_as_they_are(dataset, settings):
    before = {path: path.read_bytes() for path in Path(dataset.uri, "data").iterdir()}
    labels = (*HEAD_COLUMNS, "row_hash")
    held = pa.Table.from_batches(list(read_batches(dataset.uri, dataset.version, labels)(numbers(dataset, 0))))
    place = held.schema.get_field_index("severity")
    new = held.set_column(place, "severity", pa.array(["total"] * held.num_rows)).slice(0, 10)
    told = relabel_table(dataset.uri, dataset.version, labels)(new).to_pylist()[0]
    operation = LanceOperation.Update(
        updated_fragments=[FragmentMetadata.from_json(told["fragment"])],
        fields_modified=told["fields"],
        update_mode="rewrite_columns",
    )
    after = LanceDataset.commit(dataset.uri, operation, read_version=dataset.version)
    assert after.count_rows(filter="severity = 'total'") == told["rows"] == 10
    named = {file.path for fragment in after.get_fragments() for file in fragment.data_files()}
    assert all(path.read_bytes() == content and path.name in named for path, content in before.items())
    vectors = after.to_table(columns=["entity_id", "vector"])
    assert np.allclose(np.stack(vectors["vector"].to_pylist())[7], unit_vectors(1, seed=7)[0])


def test_segments_of_several_tasks_are_one_index(dataset, settings, monkeypatch):
    trained = IndicesBuilder(dataset, "vector").train_ivf(8, distance_type="cosine", sample_rate=64)
    options = {"index_type": "IVF_SQ", "name": segments.NAME, "metric": "cosine", "num_partitions": 8}
    function = index_batches(
        dataset.uri, dataset.version, "vector", pickle.dumps(options | {"ivf_centroids": trained.centroids})
    )
    made = [batch["segment"][0].as_py() for part in (0, 1) for batch in function(numbers(dataset, part))]
    merged = dataset.merge_existing_index_segments([pickle.loads(segment) for segment in made])
    dataset.commit_existing_index_segments(segments.NAME, "vector", [merged])
    monkeypatch.setattr(lance_reader, "EXACT_ROWS", 20)
    assert segments.has_vectors(opened(open_writer(settings, MODEL, DIMENSION).location))
    vectors = np.concatenate([unit_vectors(1, seed=number) for number in range(1000)])
    hits = 0
    for seed in range(5000, 5020):
        query = unit_vectors(1, seed=seed)
        found = open_reader(settings, MODEL).nearest(query, 10)
        best = np.argsort(-(vectors @ query[0]))[:10].tolist()
        hits += len(set(best) & {int(row.entity_id, 16) for row in found})
    assert hits >= 196


def test_a_compaction_is_carried_out_task_by_task(dataset):
    dataset.delete("severity = 'severe'")
    plan = Compaction.plan(dataset, {"materialize_deletions": True, "materialize_deletions_threshold": 0.0})
    tasks = pa.RecordBatch.from_pydict({"task": [pickle.dumps(task) for task in plan.tasks]})
    done = [pickle.loads(batch["result"][0].as_py()) for batch in compact_batches(dataset.uri)(iter([tasks]))]
    Compaction.commit(dataset, done)
    dataset.checkout_latest()
    assert dataset.count_rows() == 500
    assert not any(fragment.num_deletions for fragment in dataset.get_fragments())
