"""The model in the task's own process: where no other may be started, or models.<role>.host=task says so.

Each worker of Spark then loads a copy, which it keeps for the tasks that it gets later. Otherwise all is as in a host:
the same models, the same loop.
"""

import os
import socket
import sys
import threading
from collections.abc import Iterator

import pyarrow as pa

from udfs.inference.host.model_cache import Residents, refuse_another
from udfs.inference.host.placement import Place, host_cores
from udfs.inference.host.placement import task as spark_task
from udfs.inference.host.wire import Request
from udfs.inference.stream import stream
from udfs.inference.tasks import task_named

_lock = threading.Lock()
_residents: dict[int, Residents] = {}
"""The models of this process, by its id: a forked worker does not take its parent's threads along."""


def run_in_process(
    batches: Iterator[pa.RecordBatch], request: Request, place: Place, cores: int | None, reason: str
) -> Iterator[pa.RecordBatch]:
    """Do what a host would do, here.

    Args:
        batches: of the task's inputs.
        request: which model, which task.
        place: where; this process then sees no other GPU, unless it has begun with CUDA before.
        cores: threads that decode, and on the CPU run the model; None: spark.task.cpus.
        reason: why there is no host; said once in this process's log.

    Yields:
        Batches of the task's outputs; their measures have `in_task`.

    Raises:
        ModelError: the model cannot be opened, or is another than the driver's.
    """
    if place.address is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = place.address
    residents = _residents_here(cores, reason)
    name = f"{socket.gethostname()}:{os.getpid()}"
    with residents.engine(request.reference, request.batch_size) as engine:
        refuse_another(engine, request)

        def gauges() -> dict[str, float]:
            there = {"loads": residents.loads, "resident_bytes": residents.resident_bytes, "in_task": 1}
            return {**engine.gauges(), **there}

        yield from stream(engine, task_named(request.task), batches, name, gauges)


def _residents_here(cores: int | None, reason: str) -> Residents:
    with _lock:
        if os.getpid() not in _residents:
            running = spark_task()
            _one_thread_per_operation()
            _residents[os.getpid()] = Residents(cores or (running.cpus() if running is not None else host_cores()))
            sys.stderr.write(f"claimlens: {reason}; this process ({os.getpid()}) holds the model itself\n")
        return _residents[os.getpid()]


def _one_thread_per_operation() -> None:
    # As start.TUNING does for a host; here torch may be there already.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
