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

from udfs.inference.isolation import Fit
from udfs.inference.photos import embed_photos, embed_texts
from udfs.inference.tasks import EMBED_PHOTOS, tasks_of

if TYPE_CHECKING:
    from udfs.inference.engine import Content, Embedded
    from udfs.inference.network import Encoder

PORTIONS_AHEAD = 3
"""Portions under way for each core: one in work, one ready, one being sent."""


class CoreEngine:
    """Implements engine.Engine. Needs torch to use one thread per operation (OMP_NUM_THREADS=1)."""

    def __init__(
        self,
        encoder: "Encoder",
        cores: ThreadPoolExecutor,
        workers: int,
        batch_size: int | None,
        *,
        static: bool = False,
    ) -> None:
        self._encoder = encoder
        self._cores = cores
        self._workers = workers
        self._batch_size = batch_size or encoder.portion
        self._static = static
        self._fit = Fit()
        self.model_key = encoder.model_key
        self.dimension = encoder.dimension
        self.tasks = tasks_of(has_text=encoder.has_text)

    @property
    def portion(self) -> int:
        """See engine.Engine."""
        return self._fit(self._batch_size)

    @property
    def window(self) -> int:
        """See engine.Engine."""
        return self._batch_size * self._workers * PORTIONS_AHEAD

    def submit(self, task: str, contents: "Sequence[Content]") -> "Future[Embedded]":
        """See engine.Engine."""
        return self._cores.submit(self._embedded, task, contents, time.perf_counter())

    def gauges(self) -> Mapping[str, float]:
        """See engine.Engine."""
        return {
            "load_seconds": self._encoder.load_seconds,
            "resident_bytes": float(self._encoder.resident_bytes),
            "peak_bytes": float(peak_bytes()),
            "batch_size": float(self.portion),
        }

    def health(self) -> None:
        """See engine.Engine: a core is as well as this thread is."""

    def close(self) -> None:
        """See engine.Engine."""

    def _embedded(self, task: str, contents: "Sequence[Content]", submitted: float) -> "Embedded":
        waited = time.perf_counter() - submitted
        if task == EMBED_PHOTOS.name:
            static_rows = self.portion if self._static else None
            embedded = embed_photos(self._encoder, contents, self._fit, static_rows, time.thread_time)
        else:
            embedded = embed_texts(self._encoder, contents, self._fit, time.thread_time)
        embedded.seconds.add("wait", waited)
        return embedded


def peak_bytes() -> int:
    """The most memory that this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
