"""What the processes with the models did, summed from the measures that come with the vectors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

STAGES = ("decode", "resize", "copy", "launch", "forward", "wait")
"""Seconds of work, summed over threads; `launch` is what handing a batch to a GPU takes, `wait` the time that portions
waited for a core, or the GPU for them."""
_GAUGES = ("loads", "in_task", "load_seconds", "resident_bytes", "peak_bytes", "batch_size")


@dataclass
class Work:
    """Seconds by stage, and by process its gauges. `seconds` is the wall time of the waves' inference, `wall` that of
    the waves as a whole, by entity. `cut` counts the texts that are longer than the model reads."""

    stages: dict[str, float] = field(default_factory=dict)
    processes: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0
    waves: int = 0
    wall: dict[str, float] = field(default_factory=dict)
    cut: int = 0

    def add(self, measures: Iterable[tuple[str, Mapping[str, float]]]) -> None:
        """Take in (process, measures) of every batch of a wave."""
        for process, values in measures:
            gauges = self.processes.setdefault(process, {})
            self.cut += int(values.get("cut", 0))
            for name, value in values.items():
                if name in STAGES:
                    self.stages[name] = self.stages.get(name, 0.0) + value
                elif name == "batch_size":  # becomes smaller where memory was short
                    gauges[name] = min(gauges.get(name, value), value)
                elif name in _GAUGES:
                    gauges[name] = max(gauges.get(name, 0.0), value)

    @property
    def hosts(self) -> int:
        """How many hosts took part."""
        return len({process.rpartition(":")[0].partition("[")[0] for process in self.processes})

    def as_details(self) -> dict[str, Any]:
        """For the job's report: processes, loads, memory, and where the time went."""
        gauges = list(self.processes.values())

        def highest(name: str) -> float:
            return max((values.get(name, 0.0) for values in gauges), default=0.0)

        in_tasks = sum(values.get("in_task", 0) > 0 for values in gauges)
        return {
            "workers": len(gauges),
            **({"models_in_tasks": in_tasks} if in_tasks else {}),
            "model_loads": int(sum(values.get("loads", 0) for values in gauges)),
            "model_load_seconds": round(highest("load_seconds"), 3),
            "resident_bytes": int(highest("resident_bytes")),
            "peak_bytes": int(highest("peak_bytes")),
            "batch_size": int(min((values.get("batch_size", 0) for values in gauges), default=0)),
            "waves": self.waves,
            "inference_seconds": round(self.seconds, 3),
            "commit_seconds": round(sum(self.wall.values()) - self.seconds, 3),
            "stage_seconds": {name: round(self.stages[name], 3) for name in STAGES if name in self.stages},
        }
