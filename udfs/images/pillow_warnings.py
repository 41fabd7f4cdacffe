"""Pillow's warnings kept to itself: what matters of them is said by a photo's status and code."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class _Silence:
    """Counts who wants silence. `warnings.catch_warnings` alone is not safe with threads: two that overlap and end in
    the wrong order leave the filters of the first behind for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._saved = warnings.catch_warnings()

    def begin(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.simplefilter("ignore")
            self._holders += 1

    def end(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self._saved.__exit__(None, None, None)


_silence = _Silence()
# Pillow logs some refusals as errors; without a handler Python would print them on the executor.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignore warnings, of all threads, while at least one thread is inside; then restore the filters."""
    _silence.begin()
    try:
        yield
    finally:
        _silence.end()
