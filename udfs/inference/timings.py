"""Seconds of work by stage, of all threads that work on one portion."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Clock = Callable[[], float]
"""Seconds that have passed since any one moment: time.perf_counter, or time.thread_time, see Seconds."""


class Seconds(dict[str, float]):
    """Seconds of work by stage: decode, resize, copy, launch, forward, wait.

    `clock` is time.thread_time where the calling thread's core does the work: what it waits for its turn on the core is
    then left out.
    """

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        began = self._clock()
        try:
            yield
        finally:
            self.add(stage, self._clock() - began)

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds to a stage."""
        with self._lock:
            self[stage] = self.get(stage, 0.0) + seconds
