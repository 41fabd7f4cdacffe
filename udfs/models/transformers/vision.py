"""The tower that every model has: photos to vectors. ViT, DINO, MobileNet, ConvNeXt and their kin have no other."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from udfs.errors import ModelError
from udfs.inference.vectors import unit_rows
from udfs.models.reference import ModelReference, model_directory
from udfs.models.transformers.checkpoint import compiled, network, resident_bytes
from udfs.models.transformers.description import NetworkDescription
from udfs.models.transformers.families import FAMILIES
from udfs.models.transformers.pixels import photo_pixels

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image
    from transformers import PreTrainedModel
    from transformers.utils import ModelOutput

    Features = Callable[[Mapping[str, torch.Tensor]], torch.Tensor]


class VisionEncoder:
    """Photos to vectors, pooled as the family is trained (see families.Family). Implements network.Encoder."""

    has_text = False

    def __init__(self, reference: ModelReference, description: NetworkDescription) -> None:
        began = time.perf_counter()
        directory = model_directory(reference)
        family = FAMILIES[description.family]
        self._name = reference.name
        self._model = network(directory, reference.name, family, dtype=description.dtype, device=reference.device)
        self.device = self._model.device
        self.dtype = self._model.dtype
        features = _photo_features(self._model, description.pooling)
        self._features = compiled(features, reference.name, self.device) if reference.compiled else features
        self.pixels = photo_pixels(directory, reference.name, scaled=reference.scaled_decoding)
        self.model_key = description.model_key
        self.dimension = description.dimension
        self.logit_scale: float | None = None
        self.portion = family.portion
        self.resident_bytes = resident_bytes(self._model)
        self.load_seconds = time.perf_counter() - began

    def features(self, batch: "Mapping[str, torch.Tensor]") -> "torch.Tensor":
        """See network.Encoder.features."""
        import torch

        with torch.inference_mode():
            return self._features(batch)

    def encode_photos(self, photos: "Sequence[Image]") -> "NDArray[np.float32]":
        """See network.Encoder.encode_photos."""
        if not photos:
            return np.empty((0, self.dimension), np.float32)
        prepared = [self.pixels.prepare(np.array(photo.convert("RGB"))) for photo in photos]
        return unit_rows(self.features(self.pixels.batch(prepared, self.device, self.dtype)), self.dimension)

    def encode_texts(self, texts: Sequence[str]) -> "NDArray[np.float32]":  # noqa: ARG002 - the protocol's signature
        """Refuse: there is no text tower."""
        raise ModelError(f"model {self._name} reads photos only; it has no text tower.")

    def tokens_cut(self, texts: Sequence[str]) -> Sequence[int]:
        """Refuse: there is no text tower."""
        self.encode_texts(texts)
        return []


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


def tower_output(output: "torch.Tensor | ModelOutput") -> "torch.Tensor":
    """The features [n, dimension] of one of two towers.

    transformers 4 returned the tensor itself; 5 returns an output object that holds it as pooler_output.
    """
    features: torch.Tensor = getattr(output, "pooler_output", output)
    return features


def _photo_features(model: "PreTrainedModel", pooling: str) -> "Features":
    if pooling == "features":
        return lambda batch: tower_output(model.get_image_features(**batch))
    return lambda batch: pooled(model(**batch), pooling)
