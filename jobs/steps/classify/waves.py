"""Photos whose vector has no prediction of the current classifier yet: a wave at a time."""

from datetime import datetime

from jobs.job.context import JobContext
from jobs.job.head import CurrentHead, entered_head, of_head, predictions_frame
from jobs.job.pending import KEY, Pending, compared, embeddable_photos
from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS, EMBEDDINGS, PHOTOS
from jobs.lakehouse.plan import staged_plan
from jobs.lakehouse.snapshot import Snapshot
from jobs.lakehouse.writes import append_once, delete_keys, stage
from udfs.outcome import Status

WAVE_ROWS = 1_000_000
"""Photos per commit: minutes of work, a hundred megabytes of staged scores, and as much of keys that are broadcast."""


def pending_photos(snapshot: Snapshot, head: CurrentHead) -> list[Pending]:
    """The photos that the head can read, compared with those that it has a prediction of; and, where photos are known,
    what photos_and_predictions says, in the same query."""
    from pyspark.sql import functions as F

    wanted = (F.col("entity") == "photo") & (F.col("status") == str(Status.OK))
    vectors = snapshot.read(EMBEDDINGS.name).where(wanted & (F.col("model_key") == head.model_key))
    source = vectors.select(KEY, F.col("vector").alias("content"), F.col("embedded_at").alias("arrived_at"))
    done = of_head(snapshot.read(DAMAGE_PREDICTIONS.name), head)
    stored = done.select(F.col("photo_id").alias(KEY), "model_key", F.lit(False).alias("due"))
    there = photos_and_predictions(snapshot, head)
    waiting = Pending("photo", source, stored, head.model_key)
    return compared([waiting] if there is None else [waiting, there])


def photos_and_predictions(snapshot: Snapshot, head: CurrentHead) -> Pending | None:
    """The photos that there are, compared with those that the head has a prediction of; None where no photos are known,
    as where vectors alone were brought along."""
    from pyspark.sql import functions as F

    if not snapshot.versions.get(PHOTOS.name):
        return None
    photos = embeddable_photos(snapshot.read(PHOTOS.name))
    done = of_head(snapshot.read(DAMAGE_PREDICTIONS.name), head)
    stored = done.select(F.col("photo_id").alias(KEY), "model_key", F.lit(False).alias("due"))
    return Pending("photos and predictions", photos, stored, head.model_key)


def remove_stale(context: JobContext, gone: Pending) -> int:
    """Delete predictions, of any head, whose photo is gone: at the pinned versions, and still now."""
    lakehouse = context.lakehouse
    with stage(lakehouse, gone.stale.distinct(), context.run_id) as found:
        if not found.rows:
            return 0
        there = embeddable_photos(lakehouse.read(PHOTOS.name)).select(KEY)
        stale = found.frame.join(there, KEY, "left_anti").withColumnRenamed(KEY, "photo_id").select("photo_id")
        return delete_keys(lakehouse, stale, DAMAGE_PREDICTIONS.name)


def classify_pending(
    context: JobContext, pending: Pending, pinned_at: datetime, there: Pending | None = None
) -> tuple[int, int]:
    """Classify what was pending at that moment; how many waited, and how many rows this run wrote. Where it is known
    which photos there are, the vector of one that is gone is left to embed."""
    from pyspark.sql import functions as F

    waiting = pending.keys
    if there is not None:
        waiting = waiting.join(there.source.select(KEY), KEY, "left_semi")
    with staged_plan(context.lakehouse, KEY, waiting, context.run_id) as plan:
        if not plan.rows:
            return 0, 0
        head = entered_head(context)
        keys = {"model_key": head.model_key, "head_key": head.head_key}
        written = 0
        context.progress.start("classify photos", plan.rows)
        for wave in plan.waves(WAVE_ROWS):
            rows = plan.rows_of(wave, pending.source)
            vectors = rows.select(F.col(KEY).alias("photo_id"), F.col("content").alias("vector"))
            with stage(context.lakehouse, predictions_frame(context, head, vectors), context.run_id) as staged:
                written += append_once(
                    context.lakehouse,
                    staged.frame,
                    DAMAGE_PREDICTIONS.name,
                    fixed=keys,
                    since=("predicted_at", pinned_at),
                )
                context.progress.advance(staged.rows)
        context.progress.finish()
        return plan.rows, written
