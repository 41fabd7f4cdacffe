"""How a model wants its photos, as its files say it; what is not known to be of the usual geometry goes through the
model's own processor."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from udfs.errors import ModelError, first_line
from udfs.inference.pixels import Pixels, Prepared, StandardPixels
from udfs.models.transformers.checkpoint import quiet

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import BaseImageProcessor


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
        raise ModelError(f"model {name}: its image processor cannot be built ({first_line(error)}).") from error


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


def _channels(values: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(values) if isinstance(values, Sequence) else (values,) * 3
