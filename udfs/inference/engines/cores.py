"""The model on the CPU: each core decodes a small portion and takes it through the model by itself.

Cores that work alone never wait for one another, and the weights are there once for all of them. One forward pass
spread over the cores does the same work with a barrier after every layer.
"""

import resource
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from udfs.inference.isolation import Embedded, Fit
from udfs.inference.pipeline import embed_photos, embed_texts

if TYPE_CHECKING:
    from udfs.inference.engines.protocol import Content
    from udfs.inference.network import Encoder

PORTIONS_AHEAD = 3
"""Portions under way for each core: one in work, one ready, one being sent."""


class CoreEngine:
    """Implements protocol.Engine. Needs torch to use one thread per operation (OMP_NUM_THREADS=1)."""

    def __init__(
        self,
        encoder: "Encoder",
        cores: ThreadPoolExecutor,
        workers: int,
        batch_size: int | None,
        *,
        static: bool = False,
    ) -> None:
        self.encoder = encoder
        self._cores = cores
        self._workers = workers
        self._batch_size = batch_size or encoder.portion
        self._static = static
        self._fit = Fit()

    @property
    def portion(self) -> int:
        """See protocol.Engine."""
        return self._fit(self._batch_size)

    @property
    def window(self) -> int:
        """See protocol.Engine."""
        return self._batch_size * self._workers * PORTIONS_AHEAD

    def submit(self, column: str, contents: "Sequence[Content]") -> "Future[Embedded]":
        """See protocol.Engine."""
        return self._cores.submit(self._embedded, column, contents, time.perf_counter())

    def gauges(self) -> Mapping[str, float]:
        """See protocol.Engine."""
        return {
            "load_seconds": self.encoder.load_seconds,
            "resident_bytes": float(self.encoder.resident_bytes),
            "peak_bytes": float(peak_bytes()),
            "batch_size": float(self.portion),
        }

    def close(self) -> None:
        """See protocol.Engine."""

    def _embedded(self, column: str, contents: "Sequence[Content]", submitted: float) -> Embedded:
        waited = time.perf_counter() - submitted
        if column == "jpeg":
            static_rows = self.portion if self._static else None
            embedded = embed_photos(self.encoder, contents, self._fit, static_rows, time.thread_time)
        else:
            embedded = embed_texts(self.encoder, contents, self._fit, time.thread_time)
        embedded.seconds.add("wait", waited)
        return embedded


def peak_bytes() -> int:
    """The most memory that this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
