"""Rows through the model: an input that fails, fails alone; a batch that does not fit into memory is halved."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from udfs.inference.device_errors import failure_of, free_memory
from udfs.inference.engine import Embedded, Failure
from udfs.inference.vectors import NoDirectionError
from udfs.outcome import ErrorCode

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")


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
    of which some rows come out without a direction keeps the others; one that fails otherwise is repeated row by row.

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
            fill(embedded, rows, partial(encode, values))
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


def fill(embedded: Embedded, rows: Sequence[int], encode: "Callable[[], NDArray[np.float32]]") -> None:
    """Put what `encode` gives into these rows; those that come out without a direction fail, each by itself."""
    try:
        embedded.vectors[rows] = encode()
    except NoDirectionError as error:
        embedded.vectors[rows] = error.vectors
        for number in error.rows:
            embedded.failures[rows[number]] = Failure(ErrorCode.MODEL_FAILED, str(error))
