"""The models of one process: opened at their first use, kept until others need the room."""

import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from udfs.errors import ModelError
from udfs.inference.device_errors import free_memory, is_out_of_memory
from udfs.inference.host.wire import Request
from udfs.inference.tasks import task_named
from udfs.models import ModelReference, open_model, settled
from udfs.models.kinds import Resources

if TYPE_CHECKING:
    from udfs.inference.engine import Engine

CAPACITY = 2
"""Models kept per process: one in use, and one to compare it with. The one unused longest goes first."""


@dataclass
class _Resident:
    """One model, with an engine for each batch size that was asked for; they share its weights."""

    engines: "dict[int | None, Future[Engine]]" = field(default_factory=dict)
    users: int = 0
    is_loaded: bool = False


class Residents:
    """The process's models, each with its engines. Safe to use from several threads; a model is opened once for all.

    The lock is held for the bookkeeping alone: while one model is opened, tasks of others begin, work and end.
    """

    def __init__(self, workers: int, open_engine: "Callable[[ModelReference, Resources], Engine]" = open_model) -> None:
        """`workers`: threads that decode, and on the CPU run the model; one per core."""
        self.loads = 0
        self._open_engine = open_engine
        self._workers = workers
        self._cores = ThreadPoolExecutor(workers, thread_name_prefix="core")
        self._lock = threading.Lock()
        self._residents: OrderedDict[ModelReference, _Resident] = OrderedDict()

    @property
    def resident_bytes(self) -> float:
        """Bytes that all models together hold on their device."""
        with self._lock:
            engines = [next(iter(resident.engines.values()), None) for resident in self._residents.values()]
        there = [engine.result() for engine in engines if engine is not None and _is_open(engine)]
        return sum(engine.gauges().get("resident_bytes", 0.0) for engine in there)

    @contextmanager
    def engine(self, reference: ModelReference, batch_size: int | None = None) -> "Iterator[Engine]":
        """The engine of a model, opened now if it is not there yet; it is not evicted while inside.

        Raises:
            ModelError: the model cannot be opened; the next call tries again.
        """
        reference = settled(reference)
        with self._lock:
            resident = self._residents.setdefault(reference, _Resident())
            self._residents.move_to_end(reference)
            resident.users += 1
            earlier = list(resident.engines.values())
            known = resident.engines.get(batch_size)
            engine = resident.engines.setdefault(batch_size, Future())
        try:
            if known is None:
                wait(earlier)  # the weights, if another batch size is being opened
                self._open(reference, batch_size, resident, engine)
            yield engine.result()
        finally:
            with self._lock:
                resident.users -= 1
                if not resident.users and not resident.engines:  # it could not be opened
                    self._residents.pop(reference, None)

    def close(self) -> None:
        """Finish what was submitted, and let go of everything."""
        with self._lock:
            residents = list(self._residents.values())
            self._residents.clear()
        for resident in residents:
            _close(resident)
        self._cores.shutdown(wait=True)

    def _open(
        self, reference: ModelReference, batch_size: int | None, resident: _Resident, engine: "Future[Engine]"
    ) -> None:
        """Open a model for all that wait for it; what goes wrong is theirs too, and the next to ask tries again."""
        try:
            opened = self._with_room(reference, Resources(self._cores, self._workers, batch_size))
        except BaseException as error:
            with self._lock:
                del resident.engines[batch_size]
            engine.set_exception(error)
            return
        with self._lock:
            self.loads += not resident.is_loaded
            resident.is_loaded = True
        engine.set_result(opened)

    def _with_room(self, reference: ModelReference, resources: Resources) -> "Engine":
        while len(self._residents) > CAPACITY and self._evict():
            pass
        while True:
            try:
                return self._open_engine(reference, resources)
            except Exception as error:
                if not is_out_of_memory(error) or self._unused() is None:
                    raise
            self._evict()  # outside of the handler, whose traceback would keep what was loaded alive

    def _unused(self) -> ModelReference | None:
        """The model that nobody has used for the longest time, if there is one."""
        return next((key for key, resident in list(self._residents.items()) if not resident.users), None)

    def _evict(self) -> bool:
        """Let it go; tells whether there was one."""
        with self._lock:
            unused = self._unused()
            if unused is None:
                return False
            resident = self._residents.pop(unused)
        _close(resident)
        del resident
        free_memory()
        return True


def refuse_another(engine: "Engine", request: Request) -> None:
    """See that an engine is what the driver means by the request, and does what is asked.

    Raises:
        ModelError: it is not, or does not.
    """
    if engine.model_key != request.model_key:
        raise ModelError(
            f"model {request.reference.name} on {socket.gethostname()} has the key {engine.model_key}, the driver's "
            f"has {request.model_key}; give every node the same files."
        )
    if task_named(request.task).name not in engine.tasks:
        can = ", ".join(sorted(engine.tasks))
        raise ModelError(f"model {request.reference.name} does not do {request.task}; it does {can}.")


def _close(resident: _Resident) -> None:
    while resident.engines:
        engine = resident.engines.popitem()[1]
        if _is_open(engine):
            engine.result().close()


def _is_open(engine: "Future[Engine]") -> bool:
    return engine.done() and engine.exception() is None
