"""What has no vector yet under a model_key: work to do is what the tables lack, for embed and for estimate alike."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.waves import Wave
from udfs.outcome import Status

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KEY = ("entity_id",)


@dataclass(frozen=True)
class Pending:
    """Rows of one entity that lack a vector: `arrivals` is (microseconds since the epoch, rows), `total` counts all
    rows of the entity, with and without."""

    entity: str
    arrivals: tuple[tuple[int, int], ...]
    total: int
    source: "DataFrame"
    """All rows: entity_id, content, arrived_at."""
    keys: "DataFrame"
    """Of those that are pending entity_id, arrived_at."""

    @property
    def rows(self) -> int:
        """How many rows are pending."""
        return sum(rows for _, rows in self.arrivals)

    @property
    def frame(self) -> "DataFrame":
        """All pending rows: entity_id, content."""
        return self.source.join(self.keys.select(*KEY), list(KEY), "left_semi").select(*KEY, "content")

    def wave(self, wave: Wave) -> "DataFrame":
        """The pending rows of one wave: entity_id, content. Photos are read, never shuffled."""
        from pyspark.sql import functions as F

        arrived = F.col("arrived_at").between(
            F.timestamp_micros(F.lit(wave.first)), F.timestamp_micros(F.lit(wave.last))
        )
        keys = self.keys.where(arrived)
        if wave.parts > 1:
            keys = keys.where(F.pmod(F.xxhash64("entity_id"), F.lit(wave.parts)) == wave.part)
        return (
            self.source.where(arrived)
            .join(keys.select(*KEY).hint("broadcast"), list(KEY), "left_semi")
            .select(*KEY, "content")
        )


def pending_entities(context: JobContext, model_key: str, *, has_text: bool) -> list[Pending]:
    """What may be embedded, photos first. Creates no table: one that is absent has no rows."""
    from pyspark.sql import functions as F

    lakehouse, settings = context.lakehouse, context.settings.embed
    sources: dict[str, DataFrame] = {}
    if settings.photos and lakehouse.exists("photos"):
        photos = lakehouse.read("photos").where(F.col("status") == Status.OK)
        sources["photo"] = photos.selectExpr("photo_id AS entity_id", "jpeg AS content", "ingested_at AS arrived_at")
    if settings.passages and has_text and lakehouse.exists("passages"):
        passages = lakehouse.read("passages")
        sources["passage"] = passages.selectExpr(
            "passage_id AS entity_id", "text AS content", "first_seen AS arrived_at"
        )
    return [_pending(context, model_key, entity, source) for entity, source in sources.items()]


def _pending(context: JobContext, model_key: str, entity: str, source: "DataFrame") -> Pending:
    from pyspark.sql import functions as F

    keys = source.select(*KEY, "arrived_at")
    if context.lakehouse.exists("embeddings"):
        done = context.lakehouse.read("embeddings").where(
            (F.col("model_key") == model_key) & (F.col("entity") == entity)
        )
        keys = keys.join(done.select(*KEY), list(KEY), "left_anti")
    counted = keys.groupBy(F.unix_micros("arrived_at").alias("micros")).agg(F.count(F.lit(1)).alias("rows")).collect()
    arrivals = tuple(sorted((row["micros"], row["rows"]) for row in counted))
    return Pending(entity, arrivals, source.count(), source, keys)
