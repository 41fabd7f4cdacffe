"""The models of one process: loaded at their first use, kept until others need the room."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from udfs.inference.device_errors import free_memory, is_out_of_memory
from udfs.inference.engines import engine_for
from udfs.models import ModelReference, load_encoder, settled

if TYPE_CHECKING:
    from udfs.inference.engine import Engine
    from udfs.inference.network import Encoder

CAPACITY = 2
"""Models kept per process: one in use, and one to compare it with. The one unused longest goes first."""


@dataclass
class _Resident:
    engine: "Engine"
    encoder: "Encoder"
    users: int = 0


class Residents:
    """The process's models, each with its engine. Safe to use from several threads; a model loads once for all."""

    def __init__(self, workers: int, load: "Callable[[ModelReference], Encoder]" = load_encoder) -> None:
        """`workers`: threads that decode, and on the CPU run the model; one per core."""
        self.loads = 0
        self.resident_bytes = 0  # read without the lock, which is held while a model loads
        self._load = load
        self._workers = workers
        self._cores = ThreadPoolExecutor(workers, thread_name_prefix="core")
        self._lock = threading.Lock()
        self._residents: OrderedDict[tuple[ModelReference, int | None], _Resident] = OrderedDict()

    @contextmanager
    def engine(self, reference: ModelReference, batch_size: int | None = None) -> "Iterator[Engine]":
        """The engine of a model, loaded now if it is not there yet; it is not evicted while inside.

        Raises:
            ModelError: the model cannot be loaded; the next call tries again.
        """
        key = (settled(reference), batch_size)
        with self._lock:
            if key not in self._residents:
                self._make_room()
                encoder = self._encoder(key[0])
                engine = engine_for(encoder, self._cores, self._workers, batch_size, static=reference.compiled)
                self._residents[key] = _Resident(engine, encoder)
                self._count_bytes()
            resident = self._residents[key]
            self._residents.move_to_end(key)
            resident.users += 1
        try:
            yield resident.engine
        finally:
            with self._lock:
                resident.users -= 1

    def close(self) -> None:
        """Finish what was submitted, and let go of everything."""
        with self._lock:
            while self._residents:
                self._residents.popitem()[1].engine.close()
        self._cores.shutdown(wait=True)

    def _encoder(self, reference: ModelReference) -> "Encoder":
        for (other, _), resident in self._residents.items():
            if other == reference:  # the same model with another batch size: the weights are there already
                return resident.encoder
        while True:
            try:
                encoder = self._load(reference)
            except Exception as error:
                if not is_out_of_memory(error) or not self._evict_unused():
                    raise
            else:
                self.loads += 1
                return encoder

    def _make_room(self) -> None:
        while len(self._residents) >= CAPACITY and self._evict_unused():
            pass

    def _evict_unused(self) -> bool:
        """Let the model go that nobody has used for the longest time; tells whether there was one."""
        unused = next((key for key, resident in self._residents.items() if not resident.users), None)
        if unused is None:
            return False
        self._residents.pop(unused).engine.close()
        self._count_bytes()
        free_memory()
        return True

    def _count_bytes(self) -> None:
        encoders = {id(resident.encoder): resident.encoder for resident in self._residents.values()}
        self.resident_bytes = sum(encoder.resident_bytes for encoder in encoders.values())
