"""A real encoder that fails on demand, and what tests compare it by."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from tests.unit.images.pictures import encoded, scenery
from udfs.images.frames import decode_frame


class FaultyEncoder:
    """Everything as the encoder has it; before each forward pass `fault` sees the batch and may raise.

    `sizes` are the rows of every batch that was tried, in order.
    """

    def __init__(self, encoder, fault: Callable[[Any], None] = lambda _: None) -> None:
        self._encoder = encoder
        self.fault = fault
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def features(self, batch):
        self.sizes.append(len(next(iter(batch.values()))))
        self.fault(batch)
        return self._encoder.features(batch)


def out_of_memory_above(rows: int) -> Callable[[Any], None]:
    """A device that holds no more than `rows` rows at a time."""
    import torch

    def fault(batch) -> None:
        if len(next(iter(batch.values()))) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    return fault


def lost_device(batch) -> None:
    """A device that no call reaches any more."""
    import torch

    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def mixed_photos() -> list[bytes]:
    """Photos of several sizes, of which libjpeg shrinks some; in grey, progressive and CMYK too."""
    sizes = [(96, 64), (64, 96), (40, 30), (320, 240), (320, 240), (301, 203), (640, 480), (96, 64), (20, 90)]
    photos = [encoded(scenery(*size, seed=number)) for number, size in enumerate(sizes)]
    odd = scenery(320, 240, seed=50)
    return [
        *photos,
        encoded(odd, progressive=True),
        encoded(odd.convert("L")),
        encoded(odd.convert("CMYK")),
        encoded(odd, subsampling=0, quality=40),
    ]


BROKEN: dict[str, bytes | None] = {
    "truncated": encoded(scenery(seed=60))[:4000],
    "empty": b"",
    "not_an_image": b"no photo at all",
    "unreadable": None,
}
"""Photos that have no vector, by the code that says why."""


def buffers(contents) -> list:
    """What an engine is handed: bytes in Arrow's memory."""
    return [None if content is None else pa.py_buffer(content) for content in contents]


def reference_vectors(encoder, photos: list[bytes]) -> np.ndarray:
    """Each photo through encode_photos by itself, from the frame that is decoded for this model."""
    frames = [decode_frame(photo, encoder.pixels.at_least) for photo in photos]
    return np.concatenate([encoder.encode_photos([Image.fromarray(frame)]) for frame in frames])


def fully_decoded_vectors(encoder, photos: list[bytes]) -> np.ndarray:
    """Each photo through encode_photos by itself, decoded in full by Pillow."""
    return np.concatenate([encoder.encode_photos([Image.open(io.BytesIO(photo)).convert("RGB")]) for photo in photos])


def lowest_cosine(first, second) -> float:
    """The cosine of the pair of unit rows that differ most."""
    return float((np.asarray(first, np.float64) * np.asarray(second, np.float64)).sum(axis=1).min())


def batch(column: str, values: list, first: int = 0) -> pa.RecordBatch:
    """An Arrow batch as Spark gives it; ids count up from id`first`."""
    ids = [f"id{first + number}" for number in range(len(values))]
    kind = pa.binary() if column == "jpeg" else pa.string()
    return pa.RecordBatch.from_arrays([pa.array(ids, pa.string()), pa.array(values, kind)], ["entity_id", column])
