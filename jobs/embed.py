"""Embed photos and passages: bounded waves of what has no vector yet under the current model_key."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.job.head import head_for, predictions_frame
from jobs.job.pending import Pending, pending_entities
from jobs.job.report import Counts, Report
from jobs.job.spec import Job
from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS, EMBEDDINGS
from jobs.lakehouse.places import remove_abandoned
from jobs.lakehouse.waves import plan_waves
from jobs.lakehouse.writes import append_once, delete_keys, stage
from jobs.steps.embed.comparison import compare_with_estimate
from jobs.steps.embed.measures import Work
from udfs.models import ModelReference
from udfs.outcome import Status

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from udfs.heads.head import Head

SOURCES = {"photo": ("photos", "photo_id"), "passage": ("passages", "passage_id")}
"""The table of each entity, and its key."""


def run(context: JobContext) -> Report:
    """Give every sanitised photo, and every passage where the model reads text, its vector.

    What to do is what the tables lack for this model_key; so resuming, retrying and backfilling are this same job.
    New photos are classified in the same pass when embed.classify is on and the model has a text tower.

    Raises:
        ModelError: the model cannot be loaded.
        TaxonomyError: the taxonomy is malformed.
        FailureRateError: too many photos failed; the waves done so far are kept.
    """
    settings = context.settings
    model = context.model
    lakehouse = context.lakehouse
    if not context.dry_run:
        lakehouse.ensure(EMBEDDINGS.name)
    versions_in = lakehouse.versions(*(table for table in ("photos", "passages") if lakehouse.exists(table)))
    entities = pending_entities(context, model.model_key, has_text=model.has_text)
    pending = {rows.entity: rows.rows for rows in entities}
    known = sum(rows.total - rows.rows for rows in entities)
    details: dict[str, Any] = {
        "model": model.name,
        "model_key": model.model_key,
        "dimension": model.dimension,
        "photos_embedded": 0,
        "passages_embedded": 0,
    }
    skipped = Counts(rows_in=known, skipped=known)
    if context.dry_run:
        waiting = sum(pending.values())
        counts = skipped + Counts(rows_in=waiting)
        return Report(
            "embed", context.run_id, "dry_run", counts, versions_in=versions_in, details={**details, "pending": pending}
        )
    remove_abandoned(lakehouse.staging, now=context.clock(), hours=settings.tables.staging_hours)
    # A malformed taxonomy is told before the first wave.
    classifies = bool(pending.get("photo")) and settings.embed.classify and context.head.reads(model.model_key)
    # The prompts are encoded beside the first wave.
    with ThreadPoolExecutor(max_workers=1) as beside:
        head = beside.submit(head_for, context) if classifies else None
        progress = _Progress(context, model.reference, skipped, head)
        for rows in entities:
            progress.embed(rows)
    details["stale_removed"] = _remove_stale(context)
    details |= {
        "photos_embedded": progress.embedded.get("photo", 0),
        "passages_embedded": progress.embedded.get("passage", 0),
        "classified_in_pass": progress.classified,
        **progress.work.as_details(),
    }
    compared = compare_with_estimate(context, model.model_key, pending, progress.work.wall, progress.work.hosts)
    if compared is not None:
        details["estimate"] = compared
    status = "done" if sum(pending.values()) else "nothing_to_do"
    written = lakehouse.versions("embeddings")
    return Report(
        "embed",
        context.run_id,
        status,
        progress.counts,
        versions_in=versions_in,
        versions_out=written,
        details=details,
    )


def _remove_stale(context: JobContext) -> int:
    """Delete the vectors, of any model, of photos and passages that the tables no longer have.

    A table that was never filled says nothing: vectors that came with a migration wait there for their passages.
    """
    from pyspark.sql import functions as F

    lakehouse = context.lakehouse
    stored = lakehouse.read(EMBEDDINGS.name).select(*EMBEDDINGS.key)
    removed = 0
    for entity, (table, key) in SOURCES.items():
        if not lakehouse.exists(table) or not lakehouse.version(table):
            continue
        present = lakehouse.read(table).select(F.col(key).alias("entity_id"))
        stale = stored.where(F.col("entity") == entity).join(present, "entity_id", "left_anti").select(*EMBEDDINGS.key)
        with stage(lakehouse, stale, context.run_id) as found:
            removed += delete_keys(lakehouse, found.frame, EMBEDDINGS.name) if found.rows else 0
    return removed


@dataclass
class _Progress:
    """The waves of one run, and what they have come to so far."""

    context: JobContext
    reference: ModelReference
    counts: Counts
    head: "Future[Head] | None"
    embedded: dict[str, int] = field(default_factory=dict)
    classified: int = 0
    work: Work = field(default_factory=Work)

    def embed(self, pending: Pending) -> None:
        """Embed all pending rows of one entity, a wave at a time; each wave is committed before the next begins."""
        waves = plan_waves(pending.arrivals, self.context.settings.embed.wave_photos)
        if not waves:
            return
        self.context.progress.start(f"embed {pending.entity}s", pending.rows)
        began = time.monotonic()
        for wave in waves:
            self._wave(pending.entity, pending.wave(wave))
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
            inserted = append_once(context.lakehouse, frame, EMBEDDINGS.name)
            self._account(entity, wave.rows, inserted, dict(wave.by_code))
        context.check_failure_rate(self.counts)

    def _classify(self, frame: "DataFrame", head: "Head") -> None:
        from pyspark.sql import functions as F

        seen = frame.where(F.col("status") == Status.OK).select(F.col("entity_id").alias("photo_id"), "vector")
        with stage(self.context.lakehouse, predictions_frame(self.context, head, seen), self.context.run_id) as found:
            self.classified += append_once(self.context.lakehouse, found.frame, DAMAGE_PREDICTIONS.name)

    def _account(self, entity: str, rows: int, inserted: int, by_code: dict[str, int]) -> None:
        failed = sum(by_code.values())
        # Rows that another run wrote in the meantime were not written by this one.
        beaten = rows - inserted
        written = max(rows - failed - beaten, 0)
        self.counts += Counts(rows, written, rows - written - failed, failed, by_code)
        self.embedded[entity] = self.embedded.get(entity, 0) + written
        self.context.progress.advance(rows, failed)


JOB = Job("embed", "Turn photos and passages into vectors.", run)
