"""JPEG decoding on the GPU by nvJPEG, through torchvision; for cores that decode slower than the model runs."""

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

from udfs.inference.device_errors import is_device_lost

if TYPE_CHECKING:
    import torch

CHUNK = 32
"""Photos decoded together: twelve megapixels are 36 MB each once they are pixels."""


def can_decode_on(device: "torch.device") -> bool:
    """Whether torchvision is installed and the device is one that it decodes on."""
    return device.type == "cuda" and importlib.util.find_spec("torchvision") is not None


def decode_on_device(
    jpegs: "Sequence[memoryview]", shapes: Sequence[tuple[int, int]], device: "torch.device"
) -> "list[torch.Tensor | None]":
    """Decode JPEGs to uint8 [height, width, 3] on the device, brought to the `shapes` that scaled decoding gives.

    nvJPEG decodes in full only. Averaging squares of pixels afterwards is what decoding at 1/2, 1/4 or 1/8 comes to,
    within rounding, so that the vectors do not depend on who decoded. None stands for a photo that it refuses.

    Raises:
        ImportError: torchvision cannot be loaded.
        torch.AcceleratorError: the device is lost.
    """
    frames: list[torch.Tensor | None] = []
    for start in range(0, len(jpegs), CHUNK):
        chunk, sizes = jpegs[start : start + CHUNK], shapes[start : start + CHUNK]
        frames += [
            None if full is None else _reduced(full, *size)
            for full, size in zip(_decoded(chunk, device), sizes, strict=True)
        ]
    return frames


def _decoded(jpegs: "Sequence[memoryview]", device: "torch.device") -> "list[torch.Tensor | None]":
    """Together, or where one of them is refused by halves, so that it fails alone."""
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    encoded = [torch.frombuffer(bytearray(jpeg), dtype=torch.uint8) for jpeg in jpegs]
    try:
        return list(decode_jpeg(encoded, mode=ImageReadMode.RGB, device=device))
    except RuntimeError as error:
        if is_device_lost(error):
            raise
    if len(jpegs) == 1:
        return [None]
    middle = len(jpegs) // 2
    return _decoded(jpegs[:middle], device) + _decoded(jpegs[middle:], device)


def _reduced(full: "torch.Tensor", height: int, width: int) -> "torch.Tensor":
    from torch.nn import functional

    factor = round(full.shape[1] / height)
    if factor > 1:
        averaged = functional.avg_pool2d(full[None].float(), factor, ceil_mode=True, count_include_pad=False)
        full = averaged[0].round().to(full.dtype)
    return full[:, :height, :width].permute(1, 2, 0)
