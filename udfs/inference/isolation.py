"""Rows through the model: an input that fails, fails alone; a batch that does not fit into memory is halved."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from udfs.errors import ModelError
from udfs.images.photo_error import one_line
from udfs.outcome import ErrorCode

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

T = TypeVar("T")
Clock = Callable[[], float]
"""Seconds that have passed since any one moment: time.perf_counter, or time.thread_time, see Seconds."""


@dataclass(frozen=True)
class Failure:
    """Why one row has no vector."""

    code: ErrorCode
    detail: str


class Seconds(dict[str, float]):
    """Seconds of work by stage: decode, resize, copy, forward, wait; of all threads that work on one portion.

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


@dataclass
class Embedded:
    """One portion after the model: `vectors` float32 [rows, dimension], unit rows, zero where `failures` has the
    row."""

    vectors: "NDArray[np.float32]"
    failures: dict[int, Failure] = field(default_factory=dict)
    seconds: Seconds = field(default_factory=Seconds)


class Fit:
    """How many rows fit into the device's memory together: any number, until a batch did not fit."""

    def __init__(self) -> None:
        self._most: int | None = None

    def __call__(self, wanted: int) -> int:
        """The rows to take where `wanted` are wanted."""
        return wanted if self._most is None else min(wanted, self._most)

    def keep(self, rows: int) -> None:
        """From now on take no more than `rows`, at least one, at a time."""
        self._most = max(1, self(rows))


def embed_rows(
    encode: "Callable[[Sequence[T]], NDArray[np.float32]]",
    inputs: Sequence[T | Failure],
    dimension: int,
    fit: Fit | None = None,
) -> Embedded:
    """Encode what is not a Failure already, so that an input which breaks its batch fails alone.

    A batch that does not fit into memory is halved until it does, down to one row, and `fit` keeps the size found; one
    that fails otherwise is repeated row by row.

    Raises:
        ModelError: the model itself cannot do this.
        Exception: the device is lost; the task has to be tried again on another worker.
    """
    fit = fit or Fit()
    embedded = Embedded(np.zeros((len(inputs), dimension), np.float32))
    rows_to_do = []
    for row, value in enumerate(inputs):
        if isinstance(value, Failure):
            embedded.failures[row] = value
        else:
            rows_to_do.append(row)
    size = fit(max(1, len(rows_to_do)))
    waiting = [rows_to_do[start : start + size] for start in range(0, len(rows_to_do), size)][::-1]
    halved: list[list[int]] = []
    largest = 0
    while waiting:
        rows = waiting.pop()
        failure = None
        try:
            values = [value for row in rows if not isinstance(value := inputs[row], Failure)]
            embedded.vectors[rows] = encode(values)
        except Exception as error:
            failure = failure_of(error)
        if failure is None:
            largest = max(largest, len(rows))
            continue
        # Outside of the handler, whose traceback would keep the failed batch's tensors alive.
        if len(rows) == 1:
            embedded.failures[rows[0]] = failure
        elif failure.code is ErrorCode.OUT_OF_MEMORY:
            free_memory()
            largest = largest if halved else 0
            halved.append(rows)
            waiting += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
        else:
            waiting += [[row] for row in reversed(rows)]
    # What fitted, not what failed last. A batch with a row that does not even fit alone teaches nothing: giants among
    # small photos must not slow all that follow.
    if any(embedded.failures.keys().isdisjoint(rows) for rows in halved):
        fit.keep(largest)
    return embedded


def padded(batch: "Mapping[str, torch.Tensor]", rows: int) -> "dict[str, torch.Tensor]":
    """The batch with its last row repeated until it has `rows`; a batch of `rows` or more comes back as it is."""
    import torch

    grown = {}
    for name, tensor in batch.items():
        missing = rows - tensor.shape[0]
        tail = tensor[-1:].expand(missing, *tensor.shape[1:]) if missing > 0 else None
        grown[name] = tensor if tail is None else torch.cat([tensor, tail])
    return grown


def failure_of(error: Exception) -> Failure:
    """What an error says about its input.

    Raises:
        Exception: the error itself, where it says something about the model or the device instead.
    """
    if isinstance(error, ModelError) or is_device_lost(error):
        raise error
    text = str(error)
    exhausted = isinstance(error, MemoryError) or is_out_of_memory(error) or "can't allocate memory" in text
    return Failure(
        ErrorCode.OUT_OF_MEMORY if exhausted else ErrorCode.MODEL_FAILED, one_line(f"{type(error).__name__}: {error}")
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device had no memory left, after which it is as good as before."""
    import torch

    return isinstance(error, torch.OutOfMemoryError)


def is_device_lost(error: BaseException) -> bool:
    """Whether the error poisons the process: after an asynchronous CUDA error every further call fails too."""
    import torch

    return isinstance(error, torch.AcceleratorError) and not isinstance(error, torch.OutOfMemoryError)


def free_memory() -> None:
    """Give cached device memory back, where there is a device."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
