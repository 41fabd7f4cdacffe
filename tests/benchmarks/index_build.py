"""Building and asking an index: python -m tests.benchmarks.index_build, each size in a process of its own.

Synthetic rows around 2,000 centres, as hard as photos of like cars: hundreds of neighbours are nearly as near as the
nearest. They lie in files first, so that memory is the build's alone; then they are written and indexed as sync-index
does it, and asked for as a search does. Recall is against a comparison of every vector.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.index.filters import Filter, parse_filter
from jobs.index.opening import open_reader, open_writer
from jobs.index.protocol import IndexReader
from jobs.index.schemas import KEY, index_schema, spark_columns
from jobs.settings.sections import IndexSettings, SparkSettings
from jobs.steps.sync_index.sync import ROWS_PER_TASK
from tests.benchmarks.measure import PeakMemory
from tests.benchmarks.results import put_between_markers

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Vectors = NDArray[np.float32]
MODEL = "benchmark"
CENTRES = 2000
QUERIES = 50
ARCHIVE = 100_000_000
"""Photos for which the figures are projected."""
CORES = 2


def main() -> None:
    """Measure each size; print the table, or put it into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--update", type=Path, help="Markdown page with index markers")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(json.dumps(measured(options.rows[0], options.dimension, Path(folder))) + "\n")
        return
    text = table([_in_its_own_process(rows, options.dimension) for rows in options.rows])
    if options.update:
        put_between_markers(options.update, "index", text)
    sys.stdout.write(text)


def _in_its_own_process(rows: int, dimension: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.index_build", "--alone", "--rows", str(rows)]
    done = subprocess.run([*command, "--dimension", str(dimension)], stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def measured(rows: int, dimension: int, folder: Path) -> dict[str, float]:
    """Seconds and peak memory of the build, bytes on disk, recall at 10 and milliseconds of a search."""
    schema = index_schema(dimension)
    spark = _session()
    numbers = spark.range(0, rows, numPartitions=max(2, rows // ROWS_PER_TASK))
    made = numbers.mapInArrow(partial(row_batches, schema=schema), spark_columns(schema, schema.names))
    made.write.parquet(f"{folder}/rows")
    spark.stop()
    spark = _session()
    source = spark.read.parquet(f"{folder}/rows").repartition(max(1, -(-rows // ROWS_PER_TASK)), *KEY)
    settings = IndexSettings(root=f"{folder}/index")
    with PeakMemory(os.getpid()) as memory:
        started = time.monotonic()
        open_writer(settings, MODEL, dimension).replace(source)
        built = time.monotonic() - started
    spark.stop()
    held = sum(file.stat().st_size for file in Path(settings.root).rglob("*") if file.is_file())
    answer = {"rows": rows, "dimension": dimension, "build_s": built, "memory_bytes": memory.bytes, "disk_bytes": held}
    reader = open_reader(settings, MODEL)
    reader.nearest(vectors_of(np.arange(1), dimension), 10)
    asked = vectors_of(np.arange(rows, rows + QUERIES), dimension)
    answer |= _searched("plain", reader, asked, [], exact_of(asked, rows, dimension, 1))
    filters = [parse_filter("amount_total >= 99")]
    answer |= _searched("one_percent", reader, asked, filters, exact_of(asked, rows, dimension, 100))
    return answer


def table(figures: list[dict[str, float]]) -> str:
    """A row for each size, and one that projects the largest to ARCHIVE rows."""
    lines = [
        "| rows | built in | rows/s and core | peak memory | on disk | recall@10 | a search, median and 95 % "
        "| under a filter that leaves 1 %: recall@10 | median and 95 % |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in figures:
        speed = one["rows"] / one["build_s"] / CORES
        lines.append(
            f"| {one['rows']:,} | {one['build_s']:.0f} s | {speed:,.0f} | {one['memory_bytes'] / 2**30:.1f} GiB "
            f"| {one['disk_bytes'] / 2**30:.2f} GiB | {one['plain_recall']:.3f} "
            f"| {one['plain_median_ms']:.0f} and {one['plain_p95_ms']:.0f} ms "
            f"| {one['one_percent_recall']:.3f} "
            f"| {one['one_percent_median_ms']:.0f} and {one['one_percent_p95_ms']:.0f} ms |"
        )
    largest = max(figures, key=lambda one: one["rows"])
    speed = largest["rows"] / largest["build_s"] / CORES
    times = ARCHIVE / largest["rows"]
    hours, share = ARCHIVE / speed / 3600, times**0.5
    lines += [
        "",
        f"{largest['dimension']:.0f} numbers a vector, {CORES} cores. On paper, from the largest, "
        f"{ARCHIVE / 10**6:.0f} million: "
        f"{largest['disk_bytes'] * times / 2**40:.2f} TiB on disk, and between {hours:,.0f} core hours, if all work "
        f"grew with the rows, and {hours * share:,.0f}, if all of it were placing rows among centroids, of which there "
        f"are as many as the square root of the rows.",
    ]
    return "\n".join(lines) + "\n"


def _session() -> "SparkSession":
    from jobs.spark.session import spark_session

    return spark_session(SparkSettings(master=f"local[{CORES},4]", shuffle_partitions=CORES, driver_memory="1g"))


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
        f"{name}_recall": hits / (10 * len(asked)),
        f"{name}_median_ms": 1000 * float(np.median(times)),
        f"{name}_p95_ms": 1000 * float(np.quantile(times, 0.95)),
    }


def vectors_of(numbers: NDArray[np.int64], dimension: int) -> Vectors:
    """The unit vectors [n, dimension] of these rows: a cluster's centre and noise, the same whoever asks."""
    centres = np.random.default_rng(1).normal(size=(CENTRES, dimension)).astype(np.float32)
    noise = np.stack([np.random.default_rng(int(number)).normal(size=dimension) for number in numbers])
    vectors = centres[numbers * 7919 % CENTRES] + noise.astype(np.float32)
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
