"""The waves of embed: inferred into staging, classified in the same pass, and committed one after the other."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.job.head import predictions_frame
from jobs.job.pending import Pending
from jobs.job.report import Counts
from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS, EMBEDDINGS
from jobs.lakehouse.plan import Plan
from jobs.lakehouse.writes import append_once, stage
from jobs.steps.embed.measures import Work
from udfs.outcome import Status

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from udfs.heads.head import Head
    from udfs.models import ModelReference


@dataclass
class Embedding:
    """The waves of one run, and what they have come to so far."""

    context: JobContext
    reference: "ModelReference"
    counts: Counts
    head: "Future[Head] | None"
    pinned_at: datetime
    """When the tables were looked at: what was found without a vector then can have come by one since, from another
    run."""
    embedded: dict[str, int] = field(default_factory=dict)
    classified: int = 0
    work: Work = field(default_factory=Work)

    def embed(self, pending: Pending, plan: Plan) -> None:
        """Embed all rows of one entity's plan, a wave at a time; each wave is committed before the next begins."""
        waves = plan.waves(self.context.settings.embed.wave_photos)
        if not waves:
            return
        self.context.progress.start(f"embed {pending.entity}s", plan.rows)
        began = time.monotonic()
        for wave in waves:
            self._wave(pending.entity, plan.rows_of(wave, pending.source))
        self.work.waves += len(waves)
        self.work.wall[pending.entity] = time.monotonic() - began
        self.context.progress.finish()

    def _wave(self, entity: str, portion: "DataFrame") -> None:
        from pyspark.sql import functions as F

        from udfs.functions.embed import EMBEDDING_SCHEMA, embed_photo_batches, embed_text_batches

        context, settings = self.context, self.context.settings
        named = "jpeg" if entity == "photo" else "text"
        contents = portion.select("entity_id", F.col("content").alias(named))
        if settings.embed.partitions is not None:
            contents = contents.repartition(settings.embed.partitions)
        batch_size, cores = settings.models.photo.batch_size, settings.models.photo.cores
        vectors = contents.mapInArrow(
            embed_photo_batches(self.reference, batch_size, cores=cores)
            if entity == "photo"
            else embed_text_batches(self.reference, batch_size, cores=cores),
            EMBEDDING_SCHEMA,
        )
        rows = vectors.select(
            "*",
            F.lit(entity).alias("entity"),
            F.lit(self.context.model.model_key).alias("model_key"),
            F.lit(context.clock()).alias("embedded_at"),
            F.lit(context.run_id).alias("run_id"),
        )
        began = time.monotonic()
        with stage(context.lakehouse, rows, context.run_id) as wave:
            self.work.seconds += time.monotonic() - began
            frame = wave.frame
            measured = frame.where(F.col("measures").isNotNull()).select("worker", "measures").collect()
            self.work.add((row["worker"], row["measures"]) for row in measured)
            # Predictions first: a photo with a vector counts as done, so a run killed in between must find it undone.
            if entity == "photo" and self.head is not None:
                self._classify(frame, self.head.result())
            keys = {"entity": entity, "model_key": context.model.model_key}
            inserted = append_once(
                context.lakehouse, frame, EMBEDDINGS.name, fixed=keys, since=("embedded_at", self.pinned_at)
            )
            self._account(entity, wave.rows, inserted, dict(wave.by_code))
        context.check_failure_rate(self.counts)

    def _classify(self, frame: "DataFrame", head: "Head") -> None:
        from pyspark.sql import functions as F

        seen = frame.where(F.col("status") == Status.OK).select(F.col("entity_id").alias("photo_id"), "vector")
        with stage(self.context.lakehouse, predictions_frame(self.context, head, seen), self.context.run_id) as found:
            keys = {"model_key": head.model_key, "head_key": head.head_key}
            self.classified += append_once(self.context.lakehouse, found.frame, DAMAGE_PREDICTIONS.name, fixed=keys)

    def _account(self, entity: str, rows: int, inserted: int, by_code: dict[str, int]) -> None:
        failed = sum(by_code.values())
        # Rows that another run wrote in the meantime were not written by this one.
        beaten = rows - inserted
        written = max(rows - failed - beaten, 0)
        self.counts += Counts(rows, written, rows - written - failed, failed, by_code)
        self.embedded[entity] = self.embedded.get(entity, 0) + written
        self.context.progress.advance(rows, failed)
