"""The waves of embed: inferred into staging, classified in the same pass, and committed one after the other."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.job.head import predictions_frame
from jobs.job.pending import KEY, Pending
from jobs.job.report import Counts
from jobs.job.retries import RETRYABLE, Retries
from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS, EMBEDDINGS
from jobs.lakehouse.plan import Plan
from jobs.lakehouse.writes import append_once, stage, upsert
from jobs.steps.embed.measures import Work
from udfs.errors import FailureRateError
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
    retries: Retries
    """Made before the tables were looked at: what had no vector then can have come by one since, from another run."""
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
            self._wave(pending, plan.rows_of(wave, pending.source))
        self.work.waves += len(waves)
        self.work.wall[pending.entity] = time.monotonic() - began
        self.context.progress.finish()

    def _wave(self, pending: Pending, portion: "DataFrame") -> None:
        from pyspark.sql import functions as F

        from udfs.functions.embed import EMBEDDING_SCHEMA, embed_photo_batches, embed_text_batches

        context, settings, entity = self.context, self.context.settings, pending.entity
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
            failed = wave.failed
            judged = self.counts + Counts(wave.rows, wave.rows - failed, 0, failed, dict(wave.by_code))
            try:
                context.check_failure_rate(judged)
            except FailureRateError:
                # Where an outage stops the job, what may pass leaves no row: it is new to the next run.
                passing = F.coalesce(F.col("error_code").isin(*RETRYABLE), F.lit(False))
                self._commit(pending, frame.where(~passing))
                raise
            written = self._commit(pending, frame)
            self._account(entity, wave.rows, written, dict(wave.by_code))

    def _commit(self, pending: Pending, frame: "DataFrame") -> int:
        """Write predictions and vectors; gives how many rows of embeddings."""
        from pyspark.sql import functions as F

        lakehouse, entity = self.context.lakehouse, pending.entity
        # Predictions first: a photo with a vector counts as done, so a run killed in between must find it undone.
        if entity == "photo" and self.head is not None:
            self._classify(frame, self.head.result())
        keys, since = {"entity": entity, "model_key": self.context.model.model_key}, ("embedded_at", self.retries.now)
        if not pending.retried:
            rows = frame.withColumns({**self.retries.after(F.lit(1))})
            return append_once(lakehouse, rows, EMBEDDINGS.name, fixed=keys, since=since)
        rows = frame.join(pending.tried, KEY, "left")
        rows = rows.withColumns({**self.retries.after(F.coalesce("tried", F.lit(0)) + 1)})
        written = append_once(lakehouse, rows.where("tried IS NULL"), EMBEDDINGS.name, fixed=keys, since=since)
        again, compared = rows.where("tried IS NOT NULL"), ("status", "error_code", "attempts")
        return written + sum(upsert(lakehouse, again, EMBEDDINGS.name, compare=compared, fixed=keys))

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
