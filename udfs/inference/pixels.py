"""Frames to a model's tensors on the device: resize, crop, rescale, normalise.

Changing what comes out here changes the vectors: change PREPROCESSING in models/transformers/description.py with it.
The geometry is that of the Hugging Face processors of Pillow (transformers 5.23: image_processing_backends.py,
image_transforms.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

Prepared = Mapping[str, "torch.Tensor"]
"""One photo's input tensors on the CPU; the first axis is the photo's."""


class Pixels(Protocol):
    """From one decoded photo to the model's input, in two steps: alone on the CPU, together on the device."""

    @property
    def at_least(self) -> tuple[int, int] | None:
        """(height, width) for frames.decode_frame; None where the photo has to be decoded in full."""

    def prepare(self, frame: "NDArray[np.uint8]") -> Prepared:
        """One upright RGB photo, uint8 [height, width, 3] of any size, to input tensors on the CPU. Safe in threads."""

    def batch(
        self, prepared: Sequence[Prepared], device: "torch.device", dtype: "torch.dtype"
    ) -> "dict[str, torch.Tensor]":
        """Stack what `prepare` gave, on the device, floats in `dtype`: the model's arguments."""


@dataclass(frozen=True)
class StandardPixels:
    """Resize, centre crop, one multiplication and one addition. Photos stay uint8 until they are on the device."""

    size: int | tuple[int, int]
    """(height, width) to resize to, or the length of the shorter side; the longer one then keeps the proportions."""
    crop: tuple[int, int] | None
    """(height, width) to cut from the centre; a photo that is smaller gets black edges."""
    resample: str
    """bilinear or bicubic, both with antialiasing."""
    factor: tuple[float, ...]
    """Per channel: what a value of 0 to 255 is multiplied with,"""
    offset: tuple[float, ...]
    """and what is added then."""
    at_least: tuple[int, int] | None

    def prepare(self, frame: "NDArray[np.uint8]") -> Prepared:
        """See Pixels.prepare: {"pixel_values": uint8 [1, 3, height, width]}."""
        import torch

        return {"pixel_values": self.resize(torch.from_numpy(frame)[None])}

    def batch(
        self, prepared: Sequence[Prepared], device: "torch.device", dtype: "torch.dtype"
    ) -> "dict[str, torch.Tensor]":
        """See Pixels.batch."""
        import torch

        pixels = torch.cat([photo["pixel_values"] for photo in prepared])
        return {"pixel_values": self.normalise(pixels.to(device), dtype)}

    def resize(self, frames: "torch.Tensor") -> "torch.Tensor":
        """Resize and crop frames of one size, uint8 [n, h, w, 3], to [n, 3, height, width] on the same device.

        On the CPU the result is uint8 and Pillow's but for a step of 1 here and there; elsewhere it is float32 with
        whole values from 0 to 255.
        """
        pixels = frames.permute(0, 3, 1, 2)
        height, width = self._resized(*pixels.shape[2:])
        if frames.device.type == "cpu":
            if _rows_first(pixels.shape[2] - height, pixels.shape[3] - width):
                pixels = self._interpolated(pixels, (height, pixels.shape[3]))
            pixels = self._interpolated(pixels, (height, width))
        else:
            # Bicubic weights overshoot.
            pixels = self._interpolated(pixels.float(), (height, width)).clamp_(0, 255).round_()
        return pixels if self.crop is None else _centre(pixels, self.crop)

    def normalise(self, pixels: "torch.Tensor", dtype: "torch.dtype") -> "torch.Tensor":
        """Values 0 to 255, [n, 3, height, width] of any type, to what the model is trained with, in channels_last."""
        import torch

        # Whole rows of pixels at a time: three channels alone are too few for a CPU's vector instructions.
        rows = pixels.permute(0, 2, 3, 1).flatten(2).float()
        factor, offset = (_repeated(values, pixels.shape[3], pixels.device) for values in (self.factor, self.offset))
        values = torch.addcmul(offset, rows, factor).to(dtype)
        return values.view(*values.shape[:2], -1, 3).permute(0, 3, 1, 2)

    def _interpolated(self, pixels: "torch.Tensor", size: tuple[int, int]) -> "torch.Tensor":
        from torch.nn.functional import interpolate

        if pixels.shape[2:] == size:
            return pixels
        return interpolate(pixels, size, mode=self.resample, align_corners=False, antialias=True)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        if not isinstance(self.size, int):
            return self.size
        if width <= height:
            return int(self.size * height / width), self.size
        return self.size, int(self.size * width / height)


def padded(batch: "Mapping[str, torch.Tensor]", rows: int) -> "dict[str, torch.Tensor]":
    """The batch with its last row repeated until it has `rows`; a batch of `rows` or more comes back as it is."""
    import torch

    grown = {}
    for name, tensor in batch.items():
        missing = rows - tensor.shape[0]
        tail = tensor[-1:].expand(missing, *tensor.shape[1:]) if missing > 0 else None
        grown[name] = tensor if tail is None else torch.cat([tensor, tail])
    return grown


@lru_cache(maxsize=16)
def _repeated(values: tuple[float, ...], times: int, device: "torch.device") -> "torch.Tensor":
    # Kept, because copying numbers to a GPU waits for all that it has to do.
    import torch

    return torch.tensor(values * times, dtype=torch.float32, device=device)


def _rows_first(rows_lost: int, columns_lost: int) -> bool:
    # Pillow 13 begins with the rows where that saves work, torch never does; both round in between.
    return rows_lost > max(0, 2 * columns_lost)


def _centre(pixels: "torch.Tensor", crop: tuple[int, int]) -> "torch.Tensor":
    """Cut [n, 3, h, w] to `crop` as transformers' center_crop does, odd differences and black edges included."""
    from torch.nn.functional import pad

    (height, width), (rows, columns) = pixels.shape[2:], crop
    edges = []
    for missing in (columns - width, rows - height):
        before = -(-missing // 2) if missing > 0 else 0
        edges += [before, max(0, missing - before)]
    top, left = max(0, (height - rows) // 2), max(0, (width - columns) // 2)
    pixels = pixels[:, :, top : top + rows, left : left + columns]
    return pad(pixels, edges) if any(edges) else pixels
