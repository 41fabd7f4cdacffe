"""How much the cluster does at once, asked of the session itself: Spark Connect has no context to ask."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def tasks_at_once(spark: "SparkSession") -> int:
    """How many tasks run side by side now: the cores of the executors there are, or those of a local master."""
    from pyspark.sql import functions as F

    return int(spark.range(1_000_000).select(F.spark_partition_id()).distinct().count())
