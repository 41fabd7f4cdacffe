"""Which device serves a task, and how much of the executor its host process may use."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from udfs.errors import EnvironmentMissingError

if TYPE_CHECKING:
    from pyspark import TaskContext

EXECUTOR_CORES_PROPERTY = "resource.executor.cores"
"""Under this name Spark tells its tasks spark.executor.cores, where that is set."""


@dataclass(frozen=True)
class Place:
    """Where a task's model runs.

    `device` is what torch calls it in the host process: cpu, mps or cuda:0, for the host sees one GPU alone. `address`
    is the host's CUDA_VISIBLE_DEVICES: an index, a GPU's UUID or a MIG instance; None leaves it as it is.
    """

    device: str
    address: str | None = None


def task() -> "TaskContext | None":
    """The Spark task that this process is running, or None. Imports nothing: a worker has pyspark loaded."""
    pyspark = sys.modules.get("pyspark.taskcontext")
    return pyspark.TaskContext.get() if pyspark is not None else None


def place_for(wanted: str) -> Place:
    """The place that serves this task.

    Takes the GPU that Spark's scheduler gave to the task. Where Spark gives out none (a single node, or a cluster
    without GPU scheduling), tasks are spread over the GPUs by their partition. A model on the CPU has one host for each
    GPU too where Spark gives out GPUs, as its tasks are scheduled by them.

    Args:
        wanted: the setting models.photo.device: auto, cpu, mps, cuda or cuda:N.

    Raises:
        EnvironmentMissingError: the GPU is none of those that this process may use.
    """
    running = task()
    given = running.resources().get("gpu") if running is not None else None
    device, _, number = wanted.partition(":")
    if device == "cuda" and number:
        return Place("cuda:0", visible_device(number))
    if given is not None:
        return Place("cuda:0" if device in {"auto", "cuda"} else wanted, visible_device(given.addresses[0]))
    gpus = gpu_count()
    if device not in {"auto", "cuda"} or (device == "auto" and not gpus):
        return Place("cpu" if device == "auto" else wanted)
    partition = running.partitionId() if running is not None else 0
    return Place("cuda:0", visible_device(str(partition % gpus if gpus else 0)))


def visible_device(address: str) -> str:
    """What CUDA_VISIBLE_DEVICES must be for a process to see this GPU alone.

    Args:
        address: a UUID (GPU-..., MIG-...), taken as it is, or an index. Where this process sees some GPUs only, an
            index counts these, unless it is too large for that and names one of them itself.

    Raises:
        EnvironmentMissingError: the index is none of the GPUs that this process sees.
    """
    inherited = _visible_devices()
    if not address.isdigit() or inherited is None or not inherited:
        return address
    if int(address) < len(inherited):
        return inherited[int(address)]
    if address in inherited:
        return address
    raise EnvironmentMissingError(
        f"GPU {address} was given to the task, but CUDA_VISIBLE_DEVICES={','.join(inherited)} has no such entry; let "
        "the discovery script of spark.worker.resource.gpu or spark.executor.resource.gpu print what is visible."
    )


def gpu_count() -> int:
    """How many NVIDIA GPUs this process may use. Asks no library: importing torch takes seconds."""
    visible = _visible_devices()
    if visible is not None:
        return len(visible)
    return len([path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdigit()])


def _visible_devices() -> list[str] | None:
    """The entries of CUDA_VISIBLE_DEVICES, of which CUDA sees those before the first -1; None where it is not set."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return None
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return names[: names.index("-1")] if "-1" in names else names


def host_cores() -> int:
    """How many cores a host that is started now may use: its GPU's part of the machine, or without GPUs all, and
    never more than Spark's executor has."""
    import joblib

    # joblib counts what this process may use: its affinity and its container's quota, not the machine's cores.
    machine = int(joblib.cpu_count())
    running = task()
    told = running.getLocalProperty(EXECUTOR_CORES_PROPERTY) if running is not None else None
    told = told or os.environ.get("SPARK_EXECUTOR_CORES", "")
    executor = int(told) if told.isdigit() and int(told) else machine
    return max(1, min(executor, machine // max(1, gpu_count())))


def parent_process() -> int:
    """The process whose end ends the host: in a Spark task its parent, which outlives single workers; else our own."""
    return os.getppid() if task() is not None else os.getpid()
