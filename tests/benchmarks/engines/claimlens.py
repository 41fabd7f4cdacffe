"""claimlens itself: the photos through mapInArrow to the process that holds the model. Both tracks are the product."""

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.contract import Engine, Pass, Work


def start(work: Work) -> Pass:
    """See contract.Engine."""
    from jobs.settings.sections import SparkSettings
    from jobs.spark.session import spark_session
    from tests.benchmarks.models import reference_to
    from udfs.functions.embed import EMBEDDING_SCHEMA, embed_photo_batches

    spark = spark_session(SparkSettings(master=f"local[{work.cores}]"))
    embed = embed_photo_batches(reference_to(work.model))

    def one_pass(files: Sequence[Path], table: Path) -> None:
        photos = spark.read.parquet(*map(str, files)).withColumnRenamed("photo_id", "entity_id")
        rows = photos.mapInArrow(embed, EMBEDDING_SCHEMA)
        rows.withColumnRenamed("entity_id", "photo_id").write.parquet(str(table))

    return one_pass


ENGINE = Engine(
    title="claimlens",
    interface={1: "embed_photo_batches by mapInArrow", 2: "the product itself"},
    start=start,
)
