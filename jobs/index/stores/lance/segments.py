"""The indexes of a Lance dataset: of columns that filters ask, of words, and of vectors once there are many."""

import math
import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from udfs.functions.index_fragments import index_batches

if TYPE_CHECKING:
    from lance import LanceDataset
    from pyspark.sql import SparkSession

INDEXED_ROWS = 20_000
"""From so many rows on vectors are indexed; below, all are compared. IVF_SQ: one byte a number; on tight synthetic
clusters IVF_PQ with its defaults found half of the true neighbours."""
SAMPLE_RATE = 64
"""Vectors per centroid that k-means is trained on, where there are so many."""
NAME = "vector_idx"
_KINDS: Sequence[tuple[str, Literal["BITMAP", "BTREE", "LABEL_LIST", "INVERTED"]]] = (
    ("entity", "BITMAP"),
    ("entity_id", "BTREE"),
    ("claim_ids", "LABEL_LIST"),
    ("text", "INVERTED"),
)


def build_scalar(dataset: "LanceDataset", *, anew: bool = False) -> None:
    """Index the columns that filters, keys and words ask, where that was not done; or all of them anew."""
    present = {name for index in dataset.describe_indices() for name in index.field_names}
    for column, kind in _KINDS:
        if anew or column not in present:
            dataset.create_scalar_index(column, kind, replace=True)


def rows_outside(dataset: "LanceDataset") -> int:
    """Rows that the least complete index does not know."""
    known = [int(index.num_rows_indexed) for index in dataset.describe_indices()]
    return int(dataset.count_rows()) - min(known, default=0)


def has_vectors(dataset: "LanceDataset") -> bool:
    """Whether vectors are indexed."""
    return any("vector" in index.field_names for index in dataset.describe_indices())


def build_vectors(dataset: "LanceDataset", spark: "SparkSession") -> None:
    """Index all vectors: centroids are trained here from a sample, the executors place every vector among them."""
    from lance.indices import IndicesBuilder

    rows = int(dataset.count_rows())
    partitions = partitions_of(rows)
    sample = min(SAMPLE_RATE, rows // partitions)
    trained = IndicesBuilder(dataset, "vector").train_ivf(partitions, distance_type="cosine", sample_rate=sample)
    options = pickle.dumps(
        {
            "index_type": "IVF_SQ",
            "name": NAME,
            "metric": "cosine",
            "num_partitions": partitions,
            "ivf_centroids": trained.centroids,
        }
    )
    numbers = [(fragment.fragment_id,) for fragment in dataset.get_fragments()]
    tasks = spark.createDataFrame(numbers, "fragment INT").repartition(max(1, len(numbers)), "fragment")
    made = tasks.mapInArrow(index_batches(dataset.uri, dataset.version, "vector", options), "segment BINARY")
    segments = [pickle.loads(segment) for segment in made.toArrow()["segment"].to_pylist()]
    dataset.commit_existing_index_segments(NAME, "vector", [dataset.merge_existing_index_segments(segments)])


def partitions_of(rows: int) -> int:
    """Neighbourhoods of an IVF index: about the square root of the rows."""
    return max(1, min(32_768, math.isqrt(rows)))
