"""Photos whose vector has no prediction of the current classifier yet: a wave at a time."""

from jobs.job.context import JobContext
from jobs.job.head import CurrentHead, entered_head, of_head, predictions_frame
from jobs.job.pending import KEY, Pending, compared
from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS, EMBEDDINGS
from jobs.lakehouse.plan import staged_plan
from jobs.lakehouse.snapshot import Snapshot
from jobs.lakehouse.writes import append_once, stage
from udfs.outcome import Status

WAVE_ROWS = 1_000_000
"""Photos per commit: minutes of work, a hundred megabytes of staged scores, and as much of keys that are broadcast."""


def pending_photos(snapshot: Snapshot, head: CurrentHead) -> Pending:
    """The photos that the head can read, compared with those that it has a prediction of."""
    from pyspark.sql import functions as F

    wanted = (F.col("entity") == "photo") & (F.col("status") == str(Status.OK))
    vectors = snapshot.read(EMBEDDINGS.name).where(wanted & (F.col("model_key") == head.model_key))
    source = vectors.select(KEY, F.col("vector").alias("content"), F.col("embedded_at").alias("arrived_at"))
    done = of_head(snapshot.read(DAMAGE_PREDICTIONS.name), head)
    stored = done.select(F.col("photo_id").alias(KEY), "model_key")
    return compared([Pending("photo", source, stored, head.model_key)])[0]


def classify_pending(context: JobContext, pending: Pending) -> tuple[int, int]:
    """Classify what is pending; how many waited, and how many rows this run wrote."""
    from pyspark.sql import functions as F

    with staged_plan(context.lakehouse, KEY, pending.keys, context.run_id) as plan:
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
                written += append_once(context.lakehouse, staged.frame, DAMAGE_PREDICTIONS.name, fixed=keys)
                context.progress.advance(staged.rows)
        context.progress.finish()
        return plan.rows, written
