"""Spark's predict_batch_udf. The JPEGs go to the predict function as they are, and are decoded there.

The other documented shape, a pandas UDF that puts pixels into a column and a predict function on these, moves 600 kB
of floats per photo through Arrow twice and is slower.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.benchmarks.contract import Engine, Pass, Work

if TYPE_CHECKING:
    from numpy.typing import NDArray


def start(work: Work) -> Pass:
    """See contract.Engine."""
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType, FloatType

    from tests.benchmarks.batch_functions import BATCH_ROWS
    from tests.benchmarks.engines.spark import plain_session

    spark = plain_session(work.cores)

    def make_predict() -> "Callable[[NDArray[np.object_]], NDArray[np.float32]]":
        from tests.benchmarks.batch_functions import DIMENSIONS, batch_function

        embed = batch_function(work)
        nothing = np.full(DIMENSIONS[work.encoder], np.nan, np.float32)

        def predict(jpegs: "NDArray[np.object_]") -> "NDArray[np.float32]":
            return np.stack([nothing if vector is None else vector for vector in embed(jpegs.tolist())])

        return predict

    vector = predict_batch_udf(make_predict, return_type=ArrayType(FloatType()), batch_size=BATCH_ROWS[work.encoder])

    def one_pass(files: Sequence[Path], table: Path) -> None:
        photos = spark.read.parquet(*map(str, files)).select("photo_id", vector("jpeg").alias("vector"))
        # A predict function cannot give null: rows of NaN stand for broken photos.
        kept = F.when(~F.isnan(F.col("vector")[0]), F.col("vector")).alias("vector")
        photos.select("photo_id", kept).write.parquet(str(table))

    return one_pass


ENGINE = Engine(
    title="Spark, predict_batch_udf",
    interface={1: "predict_batch_udf, decoding in the predict function", 2: "predict_batch_udf"},
    start=start,
)
