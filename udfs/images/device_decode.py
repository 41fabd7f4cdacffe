"""JPEG decoding on the GPU by nvJPEG, through torchvision; for cores that decode slower than the model runs."""

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

CHUNK = 32
"""Photos decoded together: twelve megapixels are 36 MB each once they are pixels."""


def can_decode_on(device: "torch.device") -> bool:
    """Whether torchvision is installed and the device is one that it decodes on."""
    return device.type == "cuda" and importlib.util.find_spec("torchvision") is not None


def decode_on_device(
    jpegs: "Sequence[memoryview]", shapes: Sequence[tuple[int, int]], device: "torch.device"
) -> "list[torch.Tensor]":
    """Decode JPEGs to uint8 [height, width, 3] on the device, brought to the `shapes` that scaled decoding gives.

    nvJPEG decodes in full only. Averaging squares of pixels afterwards is what decoding at 1/2, 1/4 or 1/8 comes to,
    within rounding, so that the vectors do not depend on who decoded.

    Raises:
        RuntimeError: one of them does not decode.
    """
    import torch
    from torch.nn import functional
    from torchvision.io import ImageReadMode, decode_jpeg

    frames: list[torch.Tensor] = []
    for start in range(0, len(jpegs), CHUNK):
        encoded = [torch.frombuffer(bytearray(jpeg), dtype=torch.uint8) for jpeg in jpegs[start : start + CHUNK]]
        for full, (height, width) in zip(
            decode_jpeg(encoded, mode=ImageReadMode.RGB, device=device), shapes[start : start + CHUNK], strict=True
        ):
            factor = round(full.shape[1] / height)
            frame = full
            if factor > 1:
                averaged = functional.avg_pool2d(full[None].float(), factor, ceil_mode=True, count_include_pad=False)
                frame = averaged[0].round().to(torch.uint8)
            frames.append(frame[:, :height, :width].permute(1, 2, 0))
    return frames
