"""Spark as everyone writes it: an iterator pandas UDF over the binary column, Pillow and the Hugging Face processor.

One task per core, one torch thread per task (Spark's own setting of OMP_NUM_THREADS).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.contract import Engine, Pass, Work


def start(work: Work) -> Pass:
    """See contract.Engine."""
    import pandas as pd
    from pyspark.sql.pandas import functions

    from tests.benchmarks.engines.spark import plain_session

    spark = plain_session(work.cores)

    def vectors(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        from tests.benchmarks.batch_functions import batch_function

        embed = batch_function(work)
        for batch in batches:
            yield pd.Series(embed(batch.tolist()), dtype=object)

    pandas_udf: Any = functions.pandas_udf
    vector = pandas_udf(vectors, "array<float>")

    def one_pass(files: Sequence[Path], table: Path) -> None:
        photos = spark.read.parquet(*map(str, files))
        photos.select("photo_id", vector("jpeg").alias("vector")).write.parquet(str(table))

    return one_pass


ENGINE = Engine(
    title="Spark, pandas UDF",
    interface={1: "iterator pandas UDF, Pillow, Hugging Face processor", 2: "iterator pandas UDF"},
    start=start,
)
