"""What every kind of model is to those who feed it: portions in, one result for each, row by row."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from udfs.inference.timings import Seconds
from udfs.outcome import ErrorCode

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Content: TypeAlias = "pa.Buffer | None"
"""One row's bytes, still in Arrow's memory: a JPEG, or a text in UTF-8."""


@dataclass(frozen=True)
class Failure:
    """Why one row has no result."""

    code: ErrorCode
    detail: str


@dataclass
class Embedded:
    """One portion after the model: `vectors` float32 [rows, dimension], unit rows, zero where `failures` has the
    row. `tokens_cut` has the texts that are longer than the model reads, with the number of tokens beyond."""

    vectors: "NDArray[np.float32]"
    failures: dict[int, Failure] = field(default_factory=dict)
    seconds: Seconds = field(default_factory=Seconds)
    tokens_cut: dict[int, int] = field(default_factory=dict)


class Engine(Protocol):
    """A model that is open, with whatever feeds it: a torch network with its threads, or an endpoint. Safe to use from
    several threads."""

    @property
    def model_key(self) -> str:
        """Hash of everything that decides its results."""

    @property
    def dimension(self) -> int:
        """Length of its vectors; 0 where it gives none."""

    @property
    def tasks(self) -> frozenset[str]:
        """Names of what can be asked of it, see tasks.TASKS."""

    @property
    def portion(self) -> int:
        """Rows that are submitted together; becomes smaller once as many did not fit into memory."""

    @property
    def window(self) -> int:
        """Rows that have to be under way for the model never to wait; more only cost memory."""

    def submit(self, task: str, contents: "Sequence[Content]") -> "Future[Embedded]":
        """Begin with one portion for a task of `tasks`; blocks while too much is under way.

        The future raises what condemns the whole portion: a ModelError, or an error after which the device is lost.
        What one row is to blame for is a Failure of that row.
        """

    def gauges(self) -> Mapping[str, float]:
        """What holds for the whole process: loads, load_seconds, resident_bytes, peak_bytes, batch_size."""

    def health(self) -> None:
        """Do the smallest piece of work that needs all that a portion needs.

        Where the device hangs this hangs too, so ask in a thread of its own, with a deadline.

        Raises:
            Exception: why the model cannot work.
        """

    def close(self) -> None:
        """Let go of buffers and threads; what was submitted is finished first."""
