"""One resident model per Python worker process: loaded at its first photo, kept until the worker ends.

Spark keeps its Python workers between tasks (spark.python.worker.reuse), so a model loads once per worker,
not once per task or batch. Worker processes on CPU share the machine's cores: each uses as many threads as
Spark gives its task (OMP_NUM_THREADS where set, as Spark does, else the task's cpus); outside a task torch's
own default stays.
"""

import os
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from udfs.encoders import ModelReference, load_encoder, settled

if TYPE_CHECKING:
    from pyspark import TaskContext

    from udfs.encoders.protocol import Encoder

CAPACITY = 2
"""Models kept per process: one in use, and one to compare it with. The one unused longest goes first."""


@dataclass
class _Residents:
    process: int = field(default_factory=os.getpid)
    lock: threading.Lock = field(default_factory=threading.Lock)
    encoders: "OrderedDict[ModelReference, Encoder]" = field(default_factory=OrderedDict)
    loads: int = 0


_residents = _Residents()


def resident_encoder(reference: ModelReference) -> "Encoder":
    """This process's encoder for the reference, loaded now if it is not there yet.

    Raises:
        ModelError: the model cannot be loaded; the next call tries again.
    """
    residents = _current()
    wanted = _placed(settled(reference))
    with residents.lock:
        if wanted in residents.encoders:
            residents.encoders.move_to_end(wanted)
            return residents.encoders[wanted]
        while len(residents.encoders) >= CAPACITY:
            residents.encoders.popitem(last=False)
        _limit_threads()
        encoder = load_encoder(wanted)
        residents.encoders[wanted] = encoder
        residents.loads += 1
        return encoder


def load_count() -> int:
    """How many models this process has loaded; in a worker of a healthy run, one."""
    return _current().loads


def _current() -> _Residents:
    # A forked child inherits its parent's dictionary and, held by a thread that it lacks, perhaps its lock.
    global _residents  # noqa: PLW0603
    if _residents.process != os.getpid():
        _residents = _Residents()
    return _residents


def _task() -> "TaskContext | None":
    """The Spark task that this process is running, or None. Imports nothing: a worker has pyspark loaded."""
    pyspark = sys.modules.get("pyspark.taskcontext")
    return pyspark.TaskContext.get() if pyspark is not None else None


def _placed(reference: ModelReference) -> ModelReference:
    """Take the GPU that Spark's scheduler gave the task, where it gives out GPUs."""
    task = _task()
    if task is None or reference.device not in {"auto", "cuda"}:
        return reference
    given = task.resources().get("gpu")
    return replace(reference, device=f"cuda:{given.addresses[0]}") if given else reference


def _limit_threads() -> None:
    task = _task()
    if task is None:
        return
    import torch

    torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0] or task.cpus())))
