"""Time a sample of what is pending, on the path that embed takes: read, Arrow, model. The vectors are dropped."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.job.pending import KEY, Pending
from jobs.lakehouse.plan import Plan
from jobs.lakehouse.waves import Wave, plan_waves
from jobs.lakehouse.writes import stage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from udfs.models import ModelReference

ROUNDS = 3
"""Rounds of the sample proper: their spread is the uncertainty."""
ROWS_PER_TASK = 32
"""Of the shortest pass, where models.photo.batch_size leaves the batch to the device."""
NO_ROWS = Wave(0, 0, 0)


@dataclass(frozen=True)
class Round:
    """One pass over some rows: `seconds` from the first task's begin to the last one's end, `wall_seconds` of the whole
    query, `tasks` with rows on `hosts` hosts of `cores` and `gpus` each. `batch_size` went through the model together:
    less than the setting where memory was short."""

    rows: int
    failed: int
    seconds: float
    wall_seconds: float
    tasks: int
    hosts: int
    cores: int
    gpus: int
    batch_size: int
    load_seconds: float


@dataclass(frozen=True)
class Sample:
    """The steady state in `rounds`; `cold_start_seconds` is what the very first pass took longer than a repetition of
    it. A wave takes `staging_seconds` however few rows it has, and `read_seconds` per row before the model; it has a
    task for `rows_per_task` rows."""

    rounds: Sequence[Round]
    cold_start_seconds: float
    load_seconds: float
    read_seconds: float
    rows_per_task: float
    staging_seconds: float

    @property
    def rows(self) -> int:
        """Rows that were timed."""
        return sum(done.rows for done in self.rounds)

    @property
    def rates(self) -> list[float]:
        """Rows per second on one host, round by round."""
        return [done.rows / done.seconds / done.hosts for done in self.rounds]


def draw_sample(context: JobContext, pending: Pending, plan: Plan, reference: "ModelReference", slots: int) -> Sample:
    """Time at most estimate.sample_photos rows for about estimate.sample_seconds, after a pass that is only warm-up.

    The rounds are spread over what is pending from its oldest to its newest rows, and each reads only the files of a
    few arrivals.

    Args:
        pending: whose rows.
        plan: of what is pending, at least one row.
        reference: the model.
        slots: tasks that Spark runs at once.

    Raises:
        ModelError: the model cannot be loaded.
    """
    settings = context.settings
    limit = min(plan.rows, settings.estimate.sample_photos)
    tasks = settings.embed.partitions or slots
    least = min(limit, max(ROWS_PER_TASK, tasks * (settings.models.photo.batch_size or ROWS_PER_TASK)))
    context.progress.start(f"time {pending.entity}s")

    def rows_of(wave: Wave) -> "DataFrame":
        return plan.rows_of(wave, pending.source).select(KEY, "content")

    def passed(wave: Wave) -> Round:
        done = _pass(context, pending.entity, rows_of(wave), reference, tasks)
        context.progress.advance(done.rows, done.failed)
        return done

    first = plan_waves(plan.arrivals, least)[0]
    warming, repeated = passed(first), passed(first)
    affordable = int(repeated.rows / repeated.seconds * settings.estimate.sample_seconds)
    size = min(limit, max(least, affordable))
    rounds = [passed(wave) for wave in spread_waves(plan.arrivals, size, min(ROUNDS, size // least))]
    context.progress.finish()
    none, _, _ = _reading(context, rows_of(NO_ROWS))
    whole = plan_waves(plan.arrivals, min(settings.embed.wave_photos, settings.estimate.sample_photos))[0]
    seconds, rows, read_tasks = _reading(context, rows_of(whole))
    return Sample(
        rounds,
        max(0.0, warming.wall_seconds - repeated.wall_seconds),
        warming.load_seconds,
        max(0.0, seconds - none) / rows,
        rows / read_tasks,
        _staging_seconds(context, rows_of(NO_ROWS)),
    )


def spread_waves(arrivals: Sequence[tuple[int, int]], rows: int, number: int) -> list[Wave]:
    """At most `number` waves of about `rows` rows together, spread over the arrivals (see plan_waves); at least one."""
    waves = plan_waves(arrivals, -(-rows // number))
    chosen = min(number, len(waves))
    return [waves[len(waves) * index // chosen] for index in range(chosen)]


def _pass(context: JobContext, entity: str, portion: "DataFrame", reference: "ModelReference", tasks: int) -> Round:
    from pyspark.sql import functions as F

    from udfs.functions.embed import embed_photo_batches, embed_text_batches
    from udfs.functions.timing import TIMING_SCHEMA, timed_batches

    settings = context.settings
    batch_size, cores = settings.models.photo.batch_size, settings.models.photo.cores
    named = "jpeg" if entity == "photo" else "text"
    embed = (
        embed_photo_batches(reference, batch_size, cores=cores)
        if entity == "photo"
        else embed_text_batches(reference, batch_size, cores=cores)
    )
    # Shuffled, because a part of an arrival has its files read in whole: that must not count as inference.
    contents = portion.select("entity_id", F.col("content").alias(named)).repartition(tasks)
    began = time.monotonic()
    timed = contents.mapInArrow(timed_batches(embed), TIMING_SCHEMA).collect()
    wall = time.monotonic() - began
    return Round(
        rows=sum(task["rows"] for task in timed),
        failed=sum(task["failed"] for task in timed),
        seconds=max(max(task["ended"] for task in timed) - min(task["began"] for task in timed), 1e-6),
        wall_seconds=wall,
        tasks=len(timed),
        hosts=len({task["host"] for task in timed}),
        cores=max(task["cores"] for task in timed),
        gpus=max(task["gpus"] for task in timed) if settings.models.photo.device in {"auto", "cuda"} else 0,
        batch_size=int(min(task["measures"]["batch_size"] for task in timed)),
        load_seconds=max(task["measures"]["load_seconds"] for task in timed),
    )


def _reading(context: JobContext, portion: "DataFrame") -> tuple[float, int, int]:
    """Wall seconds of what comes before the model, the rows, and the tasks that these are spread over."""
    from pyspark.sql import functions as F

    partitions = context.settings.embed.partitions
    spread = portion if partitions is None else portion.repartition(partitions)
    read = spread.groupBy(F.spark_partition_id()).agg(F.count(F.lit(1)), F.sum(F.length("content")))
    began = time.monotonic()
    tasks = read.collect()
    return time.monotonic() - began, sum(task[1] for task in tasks), len(tasks)


def _staging_seconds(context: JobContext, portion: "DataFrame") -> float:
    began = time.monotonic()
    stage(context.lakehouse, portion, context.run_id).discard()
    return time.monotonic() - began
