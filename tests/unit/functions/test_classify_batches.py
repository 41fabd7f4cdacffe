"""Arrow batches in, predictions out: one row for each row, without a copy of the vectors."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.unit.heads.concepts import DIMENSION, photo, small_head
from udfs.errors import ModelError
from udfs.functions.classify import classify_batches, prediction_arrow_schema, predictions_table, vectors_of

HEAD = small_head()
DENTED = photo(a_dent=1, dents=1, intact=1, heavy=1, the_rear=1)
INTACT = photo(no_dent=1, intact=1)


def batch_of(*vectors, kind=None):
    column = pa.array([vector.tolist() for vector in vectors], kind or pa.list_(pa.float32()))
    return pa.RecordBatch.from_arrays(
        [pa.array([f"photo {n}" for n in range(len(vectors))]), column], ["photo_id", "vector"]
    )


def test_every_row_comes_out_with_its_prediction():
    batches = [batch_of(DENTED, INTACT), batch_of(), batch_of(INTACT, INTACT, DENTED)]
    table = pa.Table.from_batches(classify_batches(HEAD)(iter(batches)))
    assert table.schema == prediction_arrow_schema()
    rows = table.to_pylist()
    assert [row["labels"] for row in rows] == [["dent"], ["none"], ["none"], ["none"], ["dent"]]
    assert [row["photo_id"] for row in rows] == ["photo 0", "photo 1", "photo 0", "photo 1", "photo 2"]
    expected = HEAD.predict(DENTED[None])
    assert dict(rows[4]["scores"]) == pytest.approx(dict(zip(expected.score_keys, expected.scores[0], strict=True)))
    assert (rows[0]["severity"], rows[0]["part"], rows[0]["decision"]) == ("severe", "rear", "accepted")
    assert rows[1]["severity"] is None
    assert rows[0]["closest"] == expected.closest[0]._asdict()


def test_a_head_without_scores_to_measure_by_gives_nulls_for_them():
    bare = replace(HEAD.predict(DENTED[None]), confidence=None, margin=None, closest=None)
    (batch,) = classify_batches(SimpleNamespace(predict=lambda _: bare))(iter([batch_of(DENTED)]))
    row = batch.to_pylist()[0]
    assert (row["confidence"], row["margin"], row["closest"]) == (None, None, None)
    assert row["decision"] == "accepted"


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.large_list(pa.float32()), pa.list_(pa.float32(), DIMENSION)]
)
def test_vectors_are_read_in_place_also_from_a_slice(kind):
    column = batch_of(INTACT, DENTED, INTACT, kind=kind).column("vector")
    read = vectors_of(column.slice(1, 1))
    np.testing.assert_array_equal(read, DENTED[None])
    assert not read.flags.owndata
    buffer = column.flatten().buffers()[1]
    assert buffer.address <= read.ctypes.data < buffer.address + buffer.size


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([[1.0] * DIMENSION, None], pa.list_(pa.float32())), "1 of 2 vectors are null"),
        (pa.array([[1.0] * 3, [1.0]], pa.list_(pa.float32())), r"vectors of lengths \[1, 3\]"),
        (pa.array([[None] * DIMENSION], pa.list_(pa.float32())), "null values"),
    ],
)
def test_a_column_that_cannot_be_read_is_refused_in_words(column, words):
    with pytest.raises(ModelError, match=words):
        vectors_of(column)


def test_the_pandas_form_gives_nulls_for_a_null_vector():
    table = predictions_table(HEAD, pd.Series([None, DENTED, INTACT]))
    assert table["labels"].tolist() == [None, ["dent"], ["none"]]
    assert table["scores"][0] is None
    assert table["scores"][1]["damage/dent"] == pytest.approx(HEAD.predict(DENTED[None]).scores[0, 0])
    assert table["decision"].tolist() == [None, "accepted", "accepted"]
