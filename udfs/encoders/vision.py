"""One tower: ViT, DINO, MobileNet, ConvNeXt and their kin. Photos are compared with photos; texts are
refused."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from udfs.encoders.checkpoint import network, unit_rows
from udfs.encoders.model_key import ModelDescription
from udfs.encoders.preprocessing import Prepared, photo_processor, stacked
from udfs.encoders.reference import ModelReference, model_directory
from udfs.errors import ModelError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image
    from transformers.utils import ModelOutput


class VisionEncoder:
    """Photos to vectors, pooled as the family is trained (see families.Family). Implements
    protocol.Encoder."""

    has_text = False
    logit_scale: float | None = None

    def __init__(self, reference: ModelReference, description: ModelDescription) -> None:
        began = time.perf_counter()
        directory = model_directory(reference)
        self._name = reference.name
        self._pooling = description.pooling
        self._model = network(
            directory,
            reference.name,
            dtype=reference.dtype,
            device=reference.device,
            pooling=description.pooling,
        )
        self._prepare = photo_processor(directory, reference.name)
        self.model_key = description.model_key
        self.dimension = description.dimension
        self.load_seconds = time.perf_counter() - began

    def prepare(self, photo: "Image") -> Prepared:
        """See protocol.Encoder.prepare."""
        return self._prepare(photo)

    def encode_prepared(self, photos: Sequence[Prepared]) -> "NDArray[np.float32]":
        """See protocol.Encoder.encode_prepared."""
        import torch

        if not photos:
            return np.empty((0, self.dimension), np.float32)
        with torch.inference_mode():
            output = self._model(**stacked(photos, self._model.device, self._model.dtype))
            return unit_rows(pooled(output, self._pooling), self.dimension)

    def encode_photos(self, photos: "Sequence[Image]") -> "NDArray[np.float32]":
        """See protocol.Encoder.encode_photos."""
        return self.encode_prepared([self.prepare(photo) for photo in photos])

    def encode_texts(self, texts: Sequence[str]) -> NoReturn:  # noqa: ARG002 - the protocol's signature
        """Refuse: there is no text tower."""
        raise no_text(self._name)


def no_text(name: str) -> ModelError:
    """The error for texts given to a model without a text tower."""
    return ModelError(
        f"model {name} reads photos only; to embed narratives, classify by prompts or search by words, set "
        f"model.name to a CLIP or SigLIP model."
    )


def pooled(output: "ModelOutput", pooling: str) -> "torch.Tensor":
    """The vectors [n, dimension] in a model's output, taken as `pooling` says: pooler, cls or mean."""
    features: torch.Tensor
    if pooling == "pooler":
        features = output.pooler_output.flatten(1)
    elif pooling == "cls":
        features = output.last_hidden_state[:, 0]
    else:
        features = output.last_hidden_state.mean(1)
    return features
