"""Pixels as the model wants them: the one place to change when resizing moves onto the device.

Changing what comes out here changes the vectors: change model_key.PREPROCESSING with it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from udfs.encoders.checkpoint import quiet
from udfs.errors import ModelError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

Prepared = Mapping[str, "NDArray[Any]"]


def photo_processor(directory: Path, name: str) -> "Callable[[Image], Prepared]":
    """The model's own image processor as a function from one RGB photo to its input arrays (first axis 1).

    Always the Pillow backend of transformers: with the torchvision one, which is chosen where torchvision
    happens to be installed, the same model would give slightly other vectors on another machine.

    Raises:
        ModelError: the processor is not known to transformers.
    """
    from transformers import AutoImageProcessor

    try:
        with quiet():
            processor = AutoImageProcessor.from_pretrained(
                directory, backend="pil", local_files_only=True, trust_remote_code=False
            )
    except (ValueError, OSError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"model {name}: its image processor cannot be built ({reason}).") from error

    def prepare(photo: "Image") -> Prepared:
        return dict(processor(images=photo, return_tensors="np"))

    return prepare


def stacked(photos: Sequence[Prepared], device: "torch.device", dtype: "torch.dtype") -> "dict[str, torch.Tensor]":
    """One batch on the device; floats in the model's dtype, masks and sizes as they are."""
    import torch

    batch = {}
    for name in photos[0]:
        tensor = torch.from_numpy(np.concatenate([photo[name] for photo in photos])).to(device)
        batch[name] = tensor.to(dtype) if tensor.is_floating_point() else tensor
    return batch
