"""The model on a GPU: the cores decode ahead, copies and forward passes overlap, and the host waits for neither.

cores      decode ── decode ── decode ──      frames, side by side in page-locked memory
launcher        copy │ forward ── copy │ ──   enqueued on two streams; the GPU works through them
collector                 vectors ── vectors  waits for each batch's event, then lets its buffers go
"""

import queue
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from udfs.inference.device_errors import is_device_lost
from udfs.inference.engine import Embedded, Failure
from udfs.inference.engines.cores import peak_bytes
from udfs.inference.engines.decoder_choice import DecoderChoice
from udfs.inference.engines.device_decode import can_decode_on, decode_on_device
from udfs.inference.engines.staging import Staged, stage
from udfs.inference.isolation import Fit, embed_rows, fill
from udfs.inference.photos import embed_texts, prepare_photo
from udfs.inference.pixels import StandardPixels, padded
from udfs.inference.tasks import EMBED_PHOTOS, tasks_of
from udfs.inference.timings import Seconds
from udfs.inference.vectors import unit_rows

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from udfs.inference.engine import Content
    from udfs.inference.network import Encoder

BATCH_SIZE = 256
BATCHES_AHEAD = 4
"""Batches under way: one being decoded, one copied, one in the model, one on its way back."""
SMALLEST_SHAPE = 8
PHOTOS_PER_CALL = 4
"""Photos that a core decodes before it looks for the next work."""


@dataclass
class _Batch:
    """One batch under way, with where its result goes."""

    staged: Staged
    decoding: list[Future[None]]
    result: "Future[Embedded]"
    seconds: Seconds
    decoder: str
    began: float


class DeviceEngine:
    """Implements engine.Engine. Works on any torch device; streams and page-locked memory only where there is
    CUDA, so that the same code is tested without one."""

    def __init__(self, encoder: "Encoder", cores: ThreadPoolExecutor, batch_size: int | None) -> None:
        import torch

        self._encoder = encoder
        self.model_key = encoder.model_key
        self.dimension = encoder.dimension
        self.tasks = tasks_of(has_text=encoder.has_text)
        self._cores = cores
        self._batch_size = batch_size or BATCH_SIZE
        self._fit = Fit()
        self._cuda = encoder.device.type == "cuda"
        self._copying = _stream(encoder.device)
        self._computing = _stream(encoder.device)
        self._launcher = ThreadPoolExecutor(1, thread_name_prefix="launch")
        self._collector = ThreadPoolExecutor(1, thread_name_prefix="collect")
        self._choice = DecoderChoice(device_can_decode=can_decode_on(encoder.device))
        self._ended = time.perf_counter()
        self._buffers: queue.SimpleQueue[torch.Tensor] = queue.SimpleQueue()
        for _ in range(BATCHES_AHEAD):
            self._buffers.put(torch.empty(0, dtype=torch.uint8))

    @property
    def portion(self) -> int:
        """See engine.Engine."""
        return self._fit(self._batch_size)

    @property
    def window(self) -> int:
        """See engine.Engine."""
        return self._batch_size * BATCHES_AHEAD

    def submit(self, task: str, contents: "Sequence[Content]") -> "Future[Embedded]":
        """See engine.Engine."""
        if task != EMBED_PHOTOS.name:
            return self._launcher.submit(self._texts, contents)
        if not isinstance(self._encoder.pixels, StandardPixels):
            seconds = Seconds()
            prepared = [self._cores.submit(prepare_photo, self._encoder, jpeg, seconds) for jpeg in contents]
            return self._launcher.submit(self._prepared, prepared, seconds)
        return self._staged(contents)

    def gauges(self) -> Mapping[str, float]:
        """See engine.Engine."""
        import torch

        peak = torch.cuda.max_memory_allocated(self._encoder.device) if self._cuda else peak_bytes()
        return {
            "load_seconds": self._encoder.load_seconds,
            "resident_bytes": float(self._encoder.resident_bytes),
            "peak_bytes": float(peak),
            "batch_size": float(self.portion),
        }

    def health(self) -> None:
        """See engine.Engine: one number goes to the device and comes back."""
        import torch

        torch.ones(1, device=self._encoder.device).item()

    def close(self) -> None:
        """See engine.Engine."""
        self._launcher.shutdown(wait=True)
        self._collector.shutdown(wait=True)

    def _staged(self, jpegs: "Sequence[Content]") -> "Future[Embedded]":
        decoder = self._choice.decoder
        buffer = self._buffers.get()
        try:
            staged = stage(jpegs, self._encoder.pixels.at_least, buffer, pinned=self._cuda)
        except Exception:
            self._buffers.put(buffer)
            raise
        batch = _Batch(staged, [], Future(), Seconds(), decoder, time.perf_counter())
        places: list[tuple[int, tuple[int, int] | None, int]] = [(row, None, 0) for row in staged.unplaced()]
        if decoder == "cores":
            places += staged.places()
        for start in range(0, len(places), PHOTOS_PER_CALL):
            batch.decoding.append(self._cores.submit(_decode, batch, places[start : start + PHOTOS_PER_CALL]))
        self._launcher.submit(self._launch, batch)
        return batch.result

    def _launch(self, batch: _Batch) -> None:
        """Enqueue copy and forward; nothing here waits for the GPU, only for the cores."""
        try:
            with batch.seconds.of("wait"):
                for future in batch.decoding:
                    future.result()
            host, event, rows = self._enqueue(batch)
        except Exception as error:
            self._again(batch, error)
        else:
            self._collector.submit(self._collect, batch, host, event, rows)

    def _enqueue(self, batch: _Batch) -> "tuple[torch.Tensor, torch.cuda.Event | None, list[int]]":
        """The GPU's whole work on one batch: frames across, resized and normalised there, features back."""
        import torch

        encoder, staged = self._encoder, batch.staged
        pixels: Any = encoder.pixels  # StandardPixels, see submit
        began = time.perf_counter()
        with torch.inference_mode(), _on(self._copying):
            frames = self._frames_on_device(batch)
            late = {
                row: torch.from_numpy(frame)[None].to(encoder.device, non_blocking=True)
                for row, frame in staged.late.items()
            }
        with torch.inference_mode(), _on(self._computing):
            if self._computing is not None and self._copying is not None:
                self._computing.wait_stream(self._copying)
                for tensor in (*frames.values(), *late.values()):
                    tensor.record_stream(self._computing)
            resized = {rows: pixels.resize(group) for rows, group in frames.items()}
            resized |= {(row,): pixels.resize(frame) for row, frame in late.items()}
            rows = [row for group in resized for row in group]
            if not rows:
                return torch.empty(0, encoder.dimension), None, rows
            inputs = {"pixel_values": pixels.normalise(torch.cat(list(resized.values())), encoder.dtype)}
            features = encoder.features(padded(inputs, static_rows(len(rows), self.portion)))[: len(rows)].float()
            host = torch.empty(features.shape, dtype=torch.float32, pin_memory=self._cuda)
            host.copy_(features, non_blocking=True)
            event = None if self._computing is None else self._computing.record_event()
        batch.seconds.add("launch", time.perf_counter() - began)
        return host, event, rows

    def _frames_on_device(self, batch: _Batch) -> "dict[tuple[int, ...], torch.Tensor]":
        """Frames of one shape, uint8 [n, height, width, 3], by their rows; those that failed or came late left out."""
        import torch

        staged, device = batch.staged, self._encoder.device
        frames: dict[tuple[int, ...], torch.Tensor] = {}
        if batch.decoder == "device":
            placed = [(row, shape) for row, shape, _ in staged.places()]
            jpegs = [memoryview(jpeg) for row, _ in placed if (jpeg := staged.jpegs[row]) is not None]
            for (row, _), frame in zip(
                placed, decode_on_device(jpegs, [shape for _, shape in placed], device), strict=True
            ):
                if frame is None:
                    staged.decode(row, None, 0)  # Pillow has the last word, and the codes
                else:
                    frames[(row,)] = frame[None]
            return frames
        across = torch.empty(staged.bytes, dtype=torch.uint8, device=device)
        across.copy_(staged.buffer[: staged.bytes], non_blocking=True)
        for group in staged.groups:
            whole = across[group.start : group.start + group.bytes].view(len(group.rows), *group.shape, 3)
            good = [
                place for place, row in enumerate(group.rows) if row not in staged.failures and row not in staged.late
            ]
            if good:
                rows = tuple(group.rows[place] for place in good)
                frames[rows] = whole if len(good) == len(group.rows) else whole[good]
        return frames

    def _collect(self, batch: _Batch, host: "torch.Tensor", event: "torch.cuda.Event | None", rows: list[int]) -> None:
        """Wait for one batch's event, and turn its features into unit vectors."""
        try:
            began = time.perf_counter()
            if event is not None:
                event.synchronize()
            batch.seconds.add("forward", time.perf_counter() - began)
            embedded = Embedded(
                np.zeros((len(batch.staged.jpegs), self._encoder.dimension), np.float32),
                batch.staged.failures,
                batch.seconds,
            )
            if rows:
                fill(embedded, rows, lambda: unit_rows(host, self._encoder.dimension))
        except Exception as error:
            self._again(batch, error)
            return
        if len(rows) >= self._batch_size // 2:
            now = time.perf_counter()
            # Batches overlap: what one takes is the time since the one before it was done.
            seconds = now - max(batch.began, self._ended)
            self._choice.record(batch.decoder, len(rows), seconds, min(batch.seconds.get("wait", 0.0), seconds))
        self._ended = time.perf_counter()
        self._finish(batch, embedded)

    def _again(self, batch: _Batch, error: Exception) -> None:
        """A batch that failed as a whole: on the cores' frames, in smaller portions, and without overlap."""
        try:
            if is_device_lost(error):
                raise error
            if batch.decoder == "device":
                self._choice.refuse_device()
                for place in batch.staged.places():
                    batch.staged.decode(*place)
            embedded = embed_rows(self._encoded, batch.staged.frames(), self._encoder.dimension, self._fit)
        except Exception as fatal:
            self._let_go(batch)
            batch.result.set_exception(fatal)
            return
        embedded.seconds = batch.seconds
        self._finish(batch, embedded)

    def _encoded(self, frames: "Sequence[NDArray[np.uint8]]") -> "NDArray[np.float32]":
        prepared = [self._encoder.pixels.prepare(frame) for frame in frames]
        return self._forward(prepared)

    def _forward(self, prepared: Sequence[Any]) -> "NDArray[np.float32]":
        encoder = self._encoder
        batch = encoder.pixels.batch(prepared, encoder.device, encoder.dtype)
        return unit_rows(encoder.features(batch), encoder.dimension)

    def _prepared(self, futures: "Sequence[Future[Any]]", seconds: Seconds) -> Embedded:
        """For models whose own processor makes the pixels: one batch after the other."""
        with seconds.of("wait"):
            inputs: list[Any | Failure] = [future.result() for future in futures]
        with seconds.of("forward"):
            embedded = embed_rows(self._forward, inputs, self._encoder.dimension, self._fit)
        embedded.seconds = seconds
        return embedded

    def _texts(self, texts: "Sequence[Content]") -> Embedded:
        return embed_texts(self._encoder, texts, self._fit)

    def _finish(self, batch: _Batch, embedded: Embedded) -> None:
        self._let_go(batch)
        batch.result.set_result(embedded)

    def _let_go(self, batch: _Batch) -> None:
        self._buffers.put(batch.staged.buffer)


def static_rows(rows: int, most: int) -> int:
    """The shape that a batch of `rows` is padded to: a power of two, at most `most`, so that few shapes are ever seen
    and a tail does not cost a whole batch."""
    return min(most, max(SMALLEST_SHAPE, 1 << (rows - 1).bit_length()))


def _decode(batch: _Batch, places: Sequence[tuple[int, tuple[int, int] | None, int]]) -> None:
    began = time.perf_counter()
    for place in places:
        batch.staged.decode(*place)
    batch.seconds.add("decode", time.perf_counter() - began)


def _stream(device: "torch.device") -> "torch.cuda.Stream | None":
    import torch

    untyped: Any = torch.cuda.Stream
    stream: torch.cuda.Stream | None = untyped(device) if device.type == "cuda" else None
    return stream


def _on(stream: "torch.cuda.Stream | None") -> "AbstractContextManager[object]":
    import torch

    return nullcontext() if stream is None else torch.cuda.stream(stream)
