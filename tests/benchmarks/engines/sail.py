"""Sail: its server in this process, Spark's own client, and the same iterator pandas UDF as on Spark.

Sail runs Python functions in the threads of its server: one interpreter, one torch thread per task.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.contract import Engine, Pass, Work


def start(work: Work) -> Pass:
    """See contract.Engine."""
    import pandas as pd
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession
    from pyspark.sql.pandas import functions

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    spark = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()

    def vectors(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        from tests.benchmarks.batch_functions import batch_function

        embed = batch_function(work)
        for batch in batches:
            yield pd.Series(embed(batch.tolist()), dtype=object)

    pandas_udf: Any = functions.pandas_udf
    vector = pandas_udf(vectors, "array<float>")

    def one_pass(files: Sequence[Path], table: Path) -> None:
        if not server.running:  # it lives as long as it is referred to
            raise RuntimeError("Sail's server has ended")
        photos = spark.read.parquet(*map(str, files))
        photos.select("photo_id", vector("jpeg").alias("vector")).write.parquet(str(table))

    return one_pass


ENGINE = Engine(
    title="Sail",
    interface={1: "iterator pandas UDF, Pillow, Hugging Face processor", 2: "iterator pandas UDF"},
    start=start,
    environment={"OMP_NUM_THREADS": "1"},
)
