"""Building and asking an index of random clusters: `python -m tests.benchmarks.index_build --rows 100000`.

Rows are made by the executors, written and indexed as sync-index does, and searched as a search does; recall is against
a comparison of every vector. Prints one JSON line.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.index.filters import Filter, parse_filter
from jobs.index.opening import open_reader, open_writer
from jobs.index.protocol import IndexReader
from jobs.index.schemas import index_schema, spark_columns
from jobs.settings.sections import IndexSettings, SparkSettings

Vectors = NDArray[np.float32]
MODEL = "benchmark"
CLUSTERS = 2000
QUERIES = 50


def main() -> None:
    """Build, search, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--root", default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(json.dumps(measured(options.rows, options.dimension, options.root or folder)) + "\n")


def measured(rows: int, dimension: int, root: str) -> dict[str, float]:
    """Seconds of the build's parts, milliseconds of a search, recall at 10, and the driver's memory."""
    from jobs.spark.session import spark_session

    spark = spark_session(SparkSettings(master="local[2,4]", shuffle_partitions=2, driver_memory="1g"))
    schema = index_schema(dimension)
    tasks = max(2, rows // 65_536)
    numbers = spark.range(0, rows, numPartitions=tasks)
    made = numbers.mapInArrow(partial(row_batches, schema=schema), spark_columns(schema, schema.names))
    settings = IndexSettings(root=root)
    started = time.monotonic()
    open_writer(settings, MODEL, dimension).replace(made)
    built = time.monotonic() - started
    answer: dict[str, float] = {"rows": rows, "dimension": dimension, "build_s": round(built, 1)}
    reader = open_reader(settings, MODEL)
    reader.nearest(vectors_of(np.arange(1), dimension), 10)
    asked = vectors_of(np.arange(rows, rows + QUERIES), dimension)
    answer |= _searched("plain", reader, asked, [], exact_of(asked, rows, dimension, 1))
    filters = [parse_filter("amount_total >= 99")]
    answer |= _searched("one_percent", reader, asked, filters, exact_of(asked, rows, dimension, 100))
    answer["driver_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    answer["largest_child_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    spark.stop()
    return answer


def _searched(
    name: str, reader: IndexReader, asked: Vectors, filters: list[Filter], exact: list[list[int]]
) -> dict[str, float]:
    times: list[float] = []
    hits = 0
    for vector, truth in zip(asked, exact, strict=True):
        started = time.monotonic()
        found = reader.nearest(vector[np.newaxis], 10, filters)
        times.append(time.monotonic() - started)
        hits += len({int(row.entity_id, 16) for row in found} & set(truth))
    return {
        f"{name}_recall_at_10": round(hits / (10 * len(asked)), 4),
        f"{name}_median_ms": round(1000 * float(np.median(times)), 1),
        f"{name}_p95_ms": round(1000 * float(np.quantile(times, 0.95)), 1),
    }


def vectors_of(numbers: NDArray[np.int64], dimension: int) -> Vectors:
    """The unit vectors [n, dimension] of these rows: a cluster's centre and noise, the same whoever asks."""
    centres = np.random.default_rng(1).normal(size=(CLUSTERS, dimension)).astype(np.float32)
    noise = np.stack([np.random.default_rng(int(number)).normal(size=dimension) for number in numbers])
    vectors = centres[numbers * 7919 % CLUSTERS] + noise.astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def row_batches(batches: Iterator[pa.RecordBatch], *, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Numbers to rows of an index; every hundredth is of a claim of 99 or more."""
    dimension = schema.field("vector").type.list_size
    lists = {field.name for field in schema if pa.types.is_list(field.type)}
    for batch in batches:
        numbers = batch.column(0).to_numpy()
        for start in range(0, len(numbers), 4096):
            part = numbers[start : start + 4096]
            flat = pa.array(vectors_of(part, dimension).ravel())
            known = {
                "entity": pa.array(["photo"] * len(part)),
                "entity_id": pa.array([f"{number:064x}" for number in part]),
                "vector": pa.ListArray.from_arrays(np.arange(0, len(flat) + 1, dimension, dtype=np.int32), flat),
                "claim_ids": pa.array([[f"C-{number // 3}"] for number in part]),
                "amount_total": pa.array([[float(number % 100)] for number in part]),
                "row_hash": pa.array(part, pa.int64()),
                "vector_hash": pa.array(part, pa.int64()),
            }
            columns = []
            for field in schema:
                kind = pa.list_(pa.float32()) if field.name == "vector" else field.type
                empty = [None] * len(part) if field.name not in lists else [[None]] * len(part)
                columns.append(known.get(field.name, pa.array(empty, kind)).cast(kind))
            yield pa.RecordBatch.from_arrays(columns, names=schema.names)


def exact_of(asked: Vectors, rows: int, dimension: int, every: int) -> list[list[int]]:
    """The ten nearest rows of each vector among every `every`-th, by comparing all."""
    best: list[list[tuple[float, int]]] = [[] for _ in asked]
    numbers = np.arange(every - 1, rows, every)
    for start in range(0, len(numbers), 16_384):
        part = numbers[start : start + 16_384]
        scores = asked @ vectors_of(part, dimension).T
        top = np.argsort(-scores, axis=1)[:, :10]
        for place, columns in enumerate(top):
            best[place] += [(-float(scores[place, column]), int(part[column])) for column in columns]
            best[place] = sorted(best[place])[:10]
    return [[number for _, number in found] for found in best]


if __name__ == "__main__":
    main()
