"""What the engines of torch ask of a network, whoever loads it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    from udfs.inference.pixels import Pixels


class Encoder(Protocol):
    """A loaded model: photos, and where it has a text tower texts, to unit vectors of one length.

    `logit_scale` is the factor on cosines that the model was trained with (already out of its logarithm), None for
    models without text. `resident_bytes` counts parameters and buffers on the device. `portion` is the number of photos
    that one CPU core takes through the network at a time with the least work per photo. `pixels` and `features` may be
    used by several threads at once, the rest by one at a time.
    """

    model_key: str
    dimension: int
    has_text: bool
    logit_scale: float | None
    load_seconds: float
    device: "torch.device"
    dtype: "torch.dtype"
    resident_bytes: int
    portion: int
    pixels: "Pixels"

    def features(self, batch: "Mapping[str, torch.Tensor]") -> "torch.Tensor":
        """What `pixels.batch` gives to features [n, dimension] on the device, without waiting for it to finish.

        Raises:
            ModelError: the network was to be compiled and cannot be.
        """

    def encode_photos(self, photos: "Sequence[Image]") -> "NDArray[np.float32]":
        """Upright photos to float32 unit rows [len(photos), dimension], in one batch.

        Raises:
            ValueError: a vector came out that is not finite, or zero.
        """

    def encode_texts(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Texts to float32 unit rows [len(texts), dimension], in one batch; what exceeds the model's length is cut.

        Raises:
            ModelError: the model has no text tower.
            ValueError: a vector came out that is not finite, or zero.
        """

    def tokens_cut(self, texts: Sequence[str]) -> Sequence[int]:
        """Of each text, how many tokens at its end exceed the model's length, so that `encode_texts` cuts them.

        Raises:
            ModelError: the model has no text tower.
        """
