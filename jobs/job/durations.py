"""From a measured sample to hours, GPU-hours, cost and settings, for any number of equal machines. Pure arithmetic.

A run takes one cold start, the same whatever the number of machines, because each machine makes its own at the same
time; then its waves one after the other, each with a share that no machine makes shorter (planning and commits) and a
share that the machines divide as far as there are tasks for them.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

TASKS_PER_SLOT = 3
"""So that a slow task does not leave the other slots idle for long at the end of a wave."""
ROWS_PER_TASK = 2_000
"""More rows make a task that is lost late expensive to repeat, and hold hundreds of megabytes of JPEG."""
BATCHES_PER_TASK = 2
"""With fewer, a task is mostly the filling and draining of its pipeline."""
WORK_PER_COMMIT = 20
"""A wave works at least this many times as long as it plans and commits, so these cost about 5 %."""
WAVE_SECONDS = 900
"""A crash loses one wave: no more than a quarter of an hour."""

Case = Literal["rows_per_second", "slowest", "fastest"]


@dataclass(frozen=True)
class Pace:
    """How one machine gets through one entity (photo or passage).

    `rows_per_second` through the model over the whole sample, `slowest` and `fastest` of its `rounds`; `read_seconds`
    per row for reading before that, and for the shuffle where embed.partitions asks for one; `rows_per_task` as the
    rows come out of the files; `wave_seconds` per wave, however many rows it has.
    """

    rows_per_second: float
    slowest: float
    fastest: float
    rounds: int
    read_seconds: float
    rows_per_task: float
    wave_seconds: float


@dataclass(frozen=True)
class Measured:
    """What the sample showed of one machine of `slots` tasks at once, `cores` and `gpus`.

    `tasks` of them ran at once on a machine in the sample. `batch_size` is what the model went through with, which is
    less than the setting where memory was short.
    """

    paces: Mapping[str, Pace]
    cold_start_seconds: float
    slots: int
    tasks: int
    cores: int
    gpus: int
    batch_size: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Measured":
        """From what as_dict gave."""
        return cls(**{**values, "paces": {entity: Pace(**pace) for entity, pace in values["paces"].items()}})


@dataclass(frozen=True)
class Portions:
    """The settings that divide the work: embed.partitions (None: tasks as the files are), embed.wave_photos."""

    partitions: int | None
    wave_photos: int


@dataclass(frozen=True)
class Plan:
    """What a run takes on `machines` with these portions. `fastest_seconds` and `slowest_seconds` follow the spread
    of the sample's rounds; they equal `seconds` where it had one round. `cost` is None without a price."""

    machines: int
    portions: Portions
    tasks_per_wave: int
    photos_per_second: float
    seconds: float
    fastest_seconds: float
    slowest_seconds: float
    device: str
    device_hours: float
    cost: float | None

    def as_dict(self) -> dict[str, Any]:
        """As JSON values; device_hours goes by the name of the device: gpu_hours or core_hours."""
        return {
            "machines": self.machines,
            "photos_per_second": round(self.photos_per_second, 2),
            "seconds": round(self.seconds, 1),
            "seconds_range": [round(self.fastest_seconds, 1), round(self.slowest_seconds, 1)],
            "hours": round(self.seconds / 3600, 4),
            f"{self.device}_hours": round(self.device_hours, 4),
            "cost": None if self.cost is None else round(self.cost, 4),
            "partitions": self.portions.partitions,
            "tasks_per_wave": self.tasks_per_wave,
            "wave_photos": self.portions.wave_photos,
        }


def plan(
    measured: Measured, rows: Mapping[str, int], machines: int, portions: Portions, price_per_hour: float | None = None
) -> Plan:
    """What `rows` (entity -> number) take on `machines` equal machines.

    Args:
        measured: of one such machine.
        rows: what there is to embed; entities that were not measured are left out.
        machines: at least 1.
        portions: how the work is divided.
        price_per_hour: of one machine, in any currency.
    """
    seconds = run_seconds(measured, rows, portions, machines)
    hours = seconds / 3600 * machines
    photos = rows.get("photo", 0)
    alone = run_seconds(measured, {"photo": photos}, portions, machines) - measured.cold_start_seconds
    entity = _largest(measured, rows)
    return Plan(
        machines,
        portions,
        round(tasks_of(measured.paces[entity], rows[entity], portions)) if entity else 0,
        photos / alone if photos and alone > 0 else 0.0,
        seconds,
        run_seconds(measured, rows, portions, machines, "fastest"),
        run_seconds(measured, rows, portions, machines, "slowest"),
        "gpu" if measured.gpus else "core",
        hours * (measured.gpus or measured.cores),
        None if price_per_hour is None else hours * price_per_hour,
    )


def run_seconds(
    measured: Measured, rows: Mapping[str, int], portions: Portions, machines: int, case: Case = "rows_per_second"
) -> float:
    """Wall seconds of the waves of one run, cold start included; 0 where there is nothing to do."""
    seconds = 0.0
    for entity, pace in measured.paces.items():
        if number := rows.get(entity, 0):
            faster = speed_up(measured, tasks_of(pace, number, portions), machines)
            seconds += math.ceil(number / portions.wave_photos) * pace.wave_seconds
            seconds += number * (1 / float(getattr(pace, case)) + pace.read_seconds) / faster
    return seconds + measured.cold_start_seconds if seconds else 0.0


def tasks_of(pace: Pace, rows: int, portions: Portions) -> float:
    """Tasks of one wave."""
    return portions.partitions or max(1.0, min(rows, portions.wave_photos) / pace.rows_per_task)


def speed_up(measured: Measured, tasks: float, machines: int) -> float:
    """How many times faster than the sample's machine a wave of so many tasks is.

    Tasks run in rounds of machines x slots, and the last round may be part full; a fraction of a task is a small one. A
    machine with fewer tasks than in the sample is taken to be slower in proportion; one with more is never taken to be
    faster.
    """
    full, rest = divmod(tasks, machines * measured.slots)
    return min(float(machines), tasks / ((full + min(1.0, rest)) * measured.tasks))


def recommended(measured: Measured, rows: Mapping[str, int], machines: int, as_set: Portions) -> Portions:
    """Waves that are worth their commits, with tasks for every slot, for the entity with the most work.

    Tasks stay as the files are where that is set and the pending files are enough. Otherwise a shuffle divides them,
    whose time an estimate counts only once it is set.
    """
    entity = _largest(measured, rows)
    if entity is None:
        return as_set
    pace, number, slots = measured.paces[entity], rows[entity], machines * measured.slots
    rows_per_second = machines / (1 / pace.rows_per_second + pace.read_seconds)
    wanted = rows_per_second * min(WORK_PER_COMMIT * pace.wave_seconds, WAVE_SECONDS)
    if as_set.partitions is None and number >= slots * pace.rows_per_task:
        # Whole rounds of tasks, so that no slot is idle at the end of a wave.
        rounds = max(1, math.ceil(wanted / (slots * pace.rows_per_task)))
        return Portions(None, math.ceil(rounds * slots * pace.rows_per_task))
    partitions = slots * max(1, min(TASKS_PER_SLOT, number // (slots * measured.batch_size)))
    rows_per_task = math.ceil(min(wanted / partitions, ROWS_PER_TASK))
    return Portions(partitions, partitions * max(rows_per_task, BATCHES_PER_TASK * measured.batch_size))


def _largest(measured: Measured, rows: Mapping[str, int]) -> str | None:
    work = {name: rows.get(name, 0) / pace.rows_per_second for name, pace in measured.paces.items()}
    entity = max(work, key=lambda name: work[name], default=None)
    return entity if entity is not None and work[entity] else None
