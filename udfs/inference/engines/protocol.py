"""What the pipeline asks of an engine, and the engine of what it is given."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

    from udfs.inference.isolation import Embedded
    from udfs.inference.network import Encoder

Content: TypeAlias = "pa.Buffer | None"
"""One row's bytes, still in Arrow's memory: a JPEG, or a text in UTF-8."""


class Engine(Protocol):
    """An encoder with the threads that feed it. Safe to use from several threads."""

    encoder: "Encoder"

    @property
    def portion(self) -> int:
        """Rows that go through the model together; becomes smaller once a batch did not fit into memory."""

    @property
    def window(self) -> int:
        """Rows that have to be under way for the device never to wait; more only cost memory."""

    def submit(self, column: str, contents: "Sequence[Content]") -> "Future[Embedded]":
        """Begin with one portion of jpeg or text; blocks while too much is under way."""

    def gauges(self) -> Mapping[str, float]:
        """What holds for the whole process: loads, load_seconds, resident_bytes, peak_bytes, batch_size."""

    def close(self) -> None:
        """Let go of buffers and threads; what was submitted is finished first."""
