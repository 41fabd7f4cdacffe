"""What every encoder gives to the jobs and UDFs above it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


class Encoder(Protocol):
    """A loaded model: photos, and where it has a text tower texts, to unit vectors of one length.

    `logit_scale` is the factor on cosines that the model was trained with (already out of its logarithm),
    None for models without text. `prepare` may be called from several threads at once; everything else from
    one at a time.
    """

    model_key: str
    dimension: int
    has_text: bool
    logit_scale: float | None
    load_seconds: float

    def prepare(self, photo: "Image") -> "Mapping[str, NDArray[Any]]":
        """One upright RGB photo of any size to the model's input arrays, each with a first axis of 1."""

    def encode_prepared(self, photos: "Sequence[Mapping[str, NDArray[Any]]]") -> "NDArray[np.float32]":
        """Results of `prepare` to float32 unit rows [len(photos), dimension].

        Raises:
            ValueError: a vector came out that is not finite, or zero.
        """

    def encode_photos(self, photos: "Sequence[Image]") -> "NDArray[np.float32]":
        """Upright RGB photos to float32 unit rows [len(photos), dimension], in one batch.

        Raises:
            ValueError: a vector came out that is not finite, or zero.
        """

    def encode_texts(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Texts to float32 unit rows [len(texts), dimension], in one batch; what exceeds the model's length
        is cut.

        Raises:
            ModelError: the model has no text tower.
            ValueError: a vector came out that is not finite, or zero.
        """
