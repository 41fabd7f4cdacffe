"""Frames to the tensors a model wants: resize, crop, rescale, normalise.

Changing what comes out here changes the vectors: change model_key.PREPROCESSING with it. The geometry is that of the
Hugging Face processors of Pillow (transformers 5.23: image_processing_backends.py, image_transforms.py); what is not
known to be of that geometry goes through the model's own processor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from udfs.encoders.checkpoint import quiet
from udfs.errors import ModelError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import BaseImageProcessor

Prepared = Mapping[str, "torch.Tensor"]
"""One photo's input tensors on the CPU; the first axis is the photo's."""

MARGIN = 2.0
"""How much larger than the resize target a frame has to stay that libjpeg shrinks. Resizing twice blurs: with 1.1
MobileNet's cosines fell to 0.993 and one severity in forty changed, with 2 it is 0.999 and one in a hundred; and most
of what shrinking saves is saved by then. See tests/benchmarks/fidelity.py."""

_STANDARD = {
    "BitImageProcessorPil",
    "CLIPImageProcessorPil",
    "DeiTImageProcessorPil",
    "MobileNetV1ImageProcessorPil",
    "MobileNetV2ImageProcessorPil",
    "SiglipImageProcessorPil",
    "ViTImageProcessorPil",
}
"""Processors that do nothing but what StandardPixels does."""
_FILTERS = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers for resampling filters, with the names that torch has for the same."""


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


class ProcessorPixels:
    """The model's own Hugging Face processor, on fully decoded photos. Implements Pixels."""

    at_least: tuple[int, int] | None = None

    def __init__(self, processor: "BaseImageProcessor") -> None:
        self._processor = processor

    def prepare(self, frame: "NDArray[np.uint8]") -> Prepared:
        """See Pixels.prepare."""
        from PIL import Image

        return dict(self._processor(images=Image.fromarray(frame), return_tensors="pt"))

    def batch(
        self, prepared: Sequence[Prepared], device: "torch.device", dtype: "torch.dtype"
    ) -> "dict[str, torch.Tensor]":
        """See Pixels.batch; masks and sizes keep their types."""
        import torch

        batch = {}
        for name in prepared[0]:
            tensor = torch.cat([photo[name] for photo in prepared]).to(device)
            batch[name] = tensor.to(dtype) if tensor.is_floating_point() else tensor
        return batch


def photo_pixels(directory: Path, name: str, *, scaled: bool) -> Pixels:
    """How the model in `directory`, called `name` in errors, wants its photos; with `scaled`, libjpeg may shrink them
    as it decodes.

    Raises:
        ModelError: the processor is not known to transformers.
    """
    processor = photo_processor(directory, name)
    return _standard(processor, scaled=scaled) or ProcessorPixels(processor)


def photo_processor(directory: Path, name: str) -> "BaseImageProcessor":
    """The model's own image processor, always the one of Pillow: with torchvision's, which is chosen where that happens
    to be installed, the same model would give slightly other vectors on another machine.

    Raises:
        ModelError: the processor is not known to transformers.
    """
    from transformers import AutoImageProcessor

    try:
        with quiet():
            return AutoImageProcessor.from_pretrained(
                directory, backend="pil", local_files_only=True, trust_remote_code=False
            )
    except (ValueError, OSError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"model {name}: its image processor cannot be built ({reason}).") from error


def _standard(processor: "BaseImageProcessor", *, scaled: bool) -> StandardPixels | None:
    """The same as the processor does, None where it may do more than is understood here."""
    known = type(processor).__name__ in _STANDARD and processor.do_resize and processor.do_rescale
    size = _size(processor.size) if known else None
    crop = _size(processor.crop_size) if known and processor.do_center_crop else None
    if not known or size is None or isinstance(crop, int) or (processor.do_center_crop and crop is None):
        return None
    if processor.do_pad or processor.resample not in _FILTERS:
        return None
    mean, deviation = (_channels(processor.image_mean), _channels(processor.image_std))
    if not processor.do_normalize:
        mean, deviation = (0.0,) * 3, (1.0,) * 3
    smallest = (size, size) if isinstance(size, int) else size
    return StandardPixels(
        size=size,
        crop=crop,
        resample=_FILTERS[processor.resample],
        factor=tuple(processor.rescale_factor / spread for spread in deviation),
        offset=tuple(-centre / spread for centre, spread in zip(mean, deviation, strict=True)),
        at_least=(ceil(smallest[0] * MARGIN), ceil(smallest[1] * MARGIN)) if scaled else None,
    )


def _size(size: "Mapping[str, int | None] | None") -> int | tuple[int, int] | None:
    """transformers' SizeDict as (height, width) or the shorter side; None where it says anything else."""
    given = {name: value for name, value in dict(size or {}).items() if value is not None}
    if given.keys() == {"height", "width"}:
        return given["height"], given["width"]
    return given["shortest_edge"] if given.keys() == {"shortest_edge"} else None


@lru_cache(maxsize=16)
def _repeated(values: tuple[float, ...], times: int, device: "torch.device") -> "torch.Tensor":
    # Kept, because copying numbers to a GPU waits for all that it has to do.
    import torch

    return torch.tensor(values * times, dtype=torch.float32, device=device)


def _channels(values: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(values) if isinstance(values, Sequence) else (values,) * 3


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
