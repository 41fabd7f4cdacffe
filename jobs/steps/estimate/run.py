"""One estimate: what is pending, a timed sample of it, and what all of it takes here and elsewhere."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from jobs.job.context import JobContext
from jobs.job.durations import Measured, Pace, Portions, plan, recommended
from jobs.job.pending import KEY, SOURCES, pending_entities
from jobs.job.report import Counts, Report
from jobs.lakehouse.plan import staged_plan
from jobs.spark.cluster import tasks_at_once
from jobs.steps.estimate.commit import commit_seconds
from jobs.steps.estimate.sample import Sample, draw_sample


def estimate(context: JobContext) -> Report:
    """Say what embedding all that is pending takes; see jobs.estimate."""
    settings, model = context.settings, context.model
    snapshot = context.pin(*SOURCES)
    entities = pending_entities(context, snapshot, model.model_key, has_text=model.has_text)
    rows = {pending.entity: pending.keys.count() if pending.differing else 0 for pending in entities}
    total = sum(pending.total for pending in entities)
    counts = Counts(rows_in=total, skipped=total)
    details: dict[str, Any] = {"model": model.name, "model_key": model.model_key, "pending": rows}
    if context.dry_run or not sum(rows.values()):
        status = "dry_run" if context.dry_run else "nothing_to_do"
        return Report("estimate", context.run_id, status, counts, versions_in=snapshot.versions, details=details)
    slots = tasks_at_once(context.spark)
    samples: dict[str, Sample] = {}
    with ExitStack() as plans:
        for pending in entities:
            if rows[pending.entity]:
                keys = plans.enter_context(staged_plan(context.lakehouse, KEY, pending.keys, context.run_id))
                samples[pending.entity] = draw_sample(context, pending, keys, model.reference, slots)
    classifies = "photo" in samples and settings.embed.classify and context.head.reads(model.model_key)
    commits, source = commit_seconds(context, model.dimension, classifies=classifies)
    measured = measured_from(samples, commits, slots)
    here = max(1, round(slots / measured.slots))
    price = settings.estimate.price_per_hour
    as_set = Portions(settings.embed.partitions, settings.embed.wave_photos)
    machines = dict.fromkeys((here, settings.estimate.machines))
    chosen = {number: recommended(measured, rows, number, as_set) for number in machines}
    plans_of = [plan(measured, rows, number, portions, price).as_dict() for number, portions in chosen.items()]
    details |= {
        "sample": {entity: _described(sample) for entity, sample in samples.items()},
        "measured": measured.as_dict(),
        "commits": source,
        "batch_size": measured.batch_size,
        "plans": plans_of,
        "as_set": plan(measured, rows, here, as_set, price).as_dict(),
    }
    return Report("estimate", context.run_id, "done", counts, versions_in=snapshot.versions, details=details)


def measured_from(samples: Mapping[str, Sample], commits: float, slots: int) -> Measured:
    """One machine as the samples (entity -> sample) show it.

    Args:
        samples: at least one.
        commits: seconds of commits per wave.
        slots: tasks at once on all machines together.
    """
    rounds = [done for sample in samples.values() for done in sample.rounds]
    cores = max(done.cores for done in rounds)
    slots_each = min(slots, cores)
    return Measured(
        {entity: _pace(sample, commits) for entity, sample in samples.items()},
        round(sum(sample.cold_start_seconds for sample in samples.values()), 3),
        slots_each,
        min(slots_each, max(-(-done.tasks // done.hosts) for done in rounds)),
        cores,
        max(done.gpus for done in rounds),
        min(done.batch_size for done in rounds),
    )


def _pace(sample: Sample, commits: float) -> Pace:
    seconds = sum(done.seconds * done.hosts for done in sample.rounds)
    return Pace(
        sample.rows / seconds,
        min(sample.rates),
        max(sample.rates),
        len(sample.rounds),
        sample.read_seconds,
        sample.rows_per_task,
        sample.staging_seconds + commits,
    )


def _described(sample: Sample) -> dict[str, Any]:
    return {
        "rows": sample.rows,
        "failed": sum(done.failed for done in sample.rounds),
        "load_seconds": round(sample.load_seconds, 3),
        "cold_start_seconds": round(sample.cold_start_seconds, 3),
        "rounds": [asdict(done) for done in sample.rounds],
    }
