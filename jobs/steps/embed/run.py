"""One run of embed: find what is pending, work it off in waves, remove what is stale, and say what it came to."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from jobs.job.context import JobContext
from jobs.job.followed import TOTALS, followed, last_run
from jobs.job.head import entered_head
from jobs.job.pending import KEY, SOURCES, Pending, compared, entities_of, pending_entities
from jobs.job.report import Counts, Report
from jobs.job.retries import Retries
from jobs.job.settled import TABLE_IDS, UNCOMPARED, settled
from jobs.lakehouse.contracts import EMBEDDINGS
from jobs.lakehouse.leftovers import remove_leftovers
from jobs.lakehouse.plan import Plan, staged_plan
from jobs.lakehouse.snapshot import Snapshot
from jobs.lakehouse.writes import delete_keys, stage
from jobs.steps.embed.comparison import compare_with_estimate
from jobs.steps.embed.embedding import Embedding
from udfs.outcome import Status


def dry_run(context: JobContext, retries: Retries) -> Report:
    """Say what waits; stages and changes nothing."""
    snapshot = context.pin(*SOURCES)
    model = context.model
    entities = pending_entities(context, snapshot, model.model_key, has_text=model.has_text, retries=retries)
    pending = {rows.entity: rows.keys.count() if rows.differing else 0 for rows in entities}
    total = sum(rows.total for rows in entities)
    counts = Counts(rows_in=total, skipped=total - sum(pending.values()))
    details = {**_of_model(context), "photos_embedded": 0, "passages_embedded": 0, "pending": pending}
    return Report("embed", context.run_id, "dry_run", counts, versions_in=snapshot.versions, details=details)


def embed(context: JobContext, retries: Retries) -> Report:
    """Embed what has no vector, a wave at a time; see jobs.embed."""
    lakehouse, settings, model = context.lakehouse, context.settings, context.model
    lakehouse.ensure(EMBEDDINGS.name)
    remove_leftovers(lakehouse, now=context.clock(), hours=settings.tables.staging_hours)
    snapshot = context.pin(*SOURCES)
    same = {"model_key": model.model_key, "compared": _entities(context)}
    # What still fails may be due by now.
    left = None if retries.asked else settled(context, "embed", snapshot, {**same, "still_failing": None})
    if left is not None:
        return left
    with ExitStack() as plans:
        entities = entities_of(context, snapshot, model.model_key, has_text=model.has_text, retries=retries)
        base = last_run(context, snapshot, same)
        few = plans.enter_context(followed(context, snapshot, entities, base))
        entities = compared(entities) if few is None else few
        work = [
            (rows, plans.enter_context(staged_plan(lakehouse, KEY, rows.keys, context.run_id)))
            for rows in entities
            if rows.differs
        ]
        pending = {rows.entity: 0 for rows in entities} | {rows.entity: plan.rows for rows, plan in work}
        known = sum(rows.total for rows in entities) - sum(pending.values())
        done = _worked_off(context, work, pending, Counts(rows_in=known, skipped=known), retries)
        stale = sum(_remove_stale(context, rows) for rows in entities if rows.differs)
    details = {
        **_of_model(context),
        **same,
        TABLE_IDS: snapshot.table_ids,
        **({UNCOMPARED: base.uncompared} if base is not None and few is not None else {}),
        "photos_embedded": done.embedded.get("photo", 0),
        "passages_embedded": done.embedded.get("passage", 0),
        **_cut(done.work.cut),
        "classified_in_pass": done.classified,
        "stale_removed": stale,
        TOTALS: {rows.entity: rows.total for rows in entities},
        **done.work.as_details(),
    }
    still = _still_failing(context, snapshot, retries)
    if still:
        details["still_failing"] = still
        failed = sum(still.values())
        # A failure whose photo is gone is in one set and not in the other.
        fine = max(known - failed, 0) + done.counts.written
        before = Counts(fine + failed, fine, 0, failed, still)
        context.check_what_still_fails(
            "vector", still, before + Counts(failed=done.counts.failed, by_code=done.counts.by_code)
        )
    if sum(pending.values()):
        estimate = compare_with_estimate(context, model.model_key, pending, done.work.wall, done.work.hosts)
        if estimate is not None:
            details["estimate"] = estimate
    status = "done" if sum(pending.values()) or details["stale_removed"] else "nothing_to_do"
    return Report(
        "embed",
        context.run_id,
        status,
        done.counts,
        versions_in=snapshot.versions,
        versions_out=lakehouse.versions(EMBEDDINGS.name),
        details=details,
    )


def _entities(context: JobContext) -> list[str]:
    """The entities that this run looks at."""
    wanted = {"photo": context.settings.embed.photos, "passage": context.settings.embed.passages}
    return [entity for entity, asked in wanted.items() if asked]


def _still_failing(context: JobContext, snapshot: Snapshot, retries: Retries) -> dict[str, int]:
    """Code -> rows of the model that failed before and were not tried again."""
    from pyspark.sql import functions as F

    failed = snapshot.read(EMBEDDINGS.name).where(F.col("status") == str(Status.FAILED))
    failed = failed.where((F.col("model_key") == context.model.model_key) & ~retries.due())
    return {row["error_code"]: row["count"] for row in failed.groupBy("error_code").count().collect()}


def _of_model(context: JobContext) -> dict[str, Any]:
    model = context.model
    return {"model": model.name, "model_key": model.model_key, "dimension": model.dimension}


def _cut(passages: int) -> dict[str, Any]:
    """Passages that the model did not read to their end, and how to see which."""
    if not passages:
        return {}
    return {"passages_cut": passages, "passages_cut_are": "in embeddings, where tokens_cut > 0"}


def _worked_off(
    context: JobContext,
    work: Sequence[tuple[Pending, Plan]],
    pending: Mapping[str, int],
    skipped: Counts,
    retries: Retries,
) -> Embedding:
    """Every wave of every plan. The prompts are encoded beside the first one."""
    # A malformed taxonomy is told before the first wave.
    photos = bool(pending.get("photo"))
    classifies = photos and context.settings.embed.classify and context.head.reads(context.model.model_key)
    with ThreadPoolExecutor(max_workers=1) as beside:
        head = beside.submit(entered_head, context) if classifies else None
        embedding = Embedding(context, context.model.reference, skipped, head, retries)
        for rows, plan in work:
            embedding.embed(rows, plan)
    return embedding


def _remove_stale(context: JobContext, pending: Pending) -> int:
    """Delete vectors, of any model, whose photo or passage is gone: at the pinned versions, and still now."""
    lakehouse = context.lakehouse
    with stage(lakehouse, pending.stale, context.run_id) as found:
        if not found.rows:
            return 0
        stale = found.frame.join(pending.current(lakehouse), KEY, "left_anti")
        return delete_keys(lakehouse, stale, EMBEDDINGS.name)
