"""Keeping a Lance dataset small, fast and free of what was deleted."""

import pickle
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.index.stores.lance import segments
from jobs.index.stores.lance.damage import sizes
from udfs.functions.index_fragments import compact_batches

if TYPE_CHECKING:
    from lance import LanceDataset
    from pyspark.sql import SparkSession

OWED = "claimlens.purge_owed"
HINT = "_versions/latest_version_hint.json"
KEPT = timedelta(hours=1)
"""A search opens the newest version and ends in seconds; an hour is ample for it."""
SMALL_FILE_ROWS = 32_768
"""Files with fewer rows are joined; those of a rebuild are larger and stay."""
TAIL_ROWS = 8192
"""So many rows may be outside the indexes: a search compares them one by one."""


def owe_purge(dataset: "LanceDataset | None") -> None:
    """Write down, before rows go, that their bytes have to leave the files: a killed run leaves the debt behind."""
    if dataset is not None and OWED not in dataset.config():
        dataset.update_config({OWED: "true"})


def optimise(dataset: "LanceDataset", spark: "SparkSession") -> None:
    """Join small files, bring the indexes up to date, and drop old versions.

    Where a purge is owed, every file that holds a hidden row is written anew without it, indexes of texts and ids are
    built anew, and every older version goes. Which files these are the dataset itself says, whoever deleted from it.
    The debt is struck off only when no file is left that the newest version does not name.
    """
    owed = OWED in dataset.config()
    _compact(dataset, spark, threshold=0.0 if owed else 0.1)
    segments.build_scalar(dataset, anew=owed)
    if not segments.has_vectors(dataset) and dataset.count_rows() >= segments.INDEXED_ROWS:
        segments.build_vectors(dataset, spark)
    elif segments.rows_outside(dataset) > TAIL_ROWS:
        dataset.optimize.optimize_indices()
    dataset.cleanup_old_versions(older_than=timedelta(0) if owed else KEPT, delete_unverified=owed)
    if owed and not any(fragment.num_deletions for fragment in dataset.get_fragments()) and not unnamed_files(dataset):
        dataset.delete_config_keys([OWED])


def unnamed_files(dataset: "LanceDataset") -> set[str]:
    """Files on the disk that the dataset's newest version does not name: data, indexes, hidden rows, transactions."""
    tracked = dataset.tracked_files(min_version=dataset.version).read_all()["path"].to_pylist()
    return sizes(dataset).keys() - {*tracked, HINT}


def _compact(dataset: "LanceDataset", spark: "SparkSession", *, threshold: float) -> None:
    from lance.optimize import Compaction

    options = {
        "target_rows_per_fragment": SMALL_FILE_ROWS,
        "materialize_deletions": True,
        "materialize_deletions_threshold": threshold,
    }
    tasks = [pickle.dumps(task) for task in Compaction.plan(dataset, options).tasks]
    if not tasks:
        return
    function = compact_batches(dataset.uri)
    if len(tasks) == 1:
        done = list(function(iter([pa.RecordBatch.from_pydict({"task": tasks})])))
        results = [result for batch in done for result in batch.column("result").to_pylist()]
    else:
        frame = spark.createDataFrame([(bytearray(task),) for task in tasks], "task BINARY").repartition(len(tasks))
        made = frame.mapInArrow(compact_batches(dataset.uri), "result BINARY").toArrow()
        results = made["result"].to_pylist()
    Compaction.commit(dataset, [pickle.loads(result) for result in results])
    dataset.checkout_latest()
