"""Two towers, one space: CLIP (and OpenCLIP in its form), SigLIP and SigLIP 2, both resolutions."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from udfs.encoders.checkpoint import network, quiet, unit_rows
from udfs.encoders.families import FAMILIES
from udfs.encoders.model_key import ModelDescription
from udfs.encoders.preprocessing import Prepared, photo_processor, stacked
from udfs.encoders.reference import ModelReference, model_directory
from udfs.errors import ModelError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image
    from transformers import PreTrainedTokenizerBase
    from transformers.utils import ModelOutput


class DualEncoder:
    """Photos and texts to vectors that can be compared with each other. Implements protocol.Encoder."""

    has_text = True

    def __init__(self, reference: ModelReference, description: ModelDescription) -> None:
        began = time.perf_counter()
        directory = model_directory(reference)
        self._family = FAMILIES[description.family]
        self._model = network(
            directory,
            reference.name,
            dtype=reference.dtype,
            device=reference.device,
            pooling=description.pooling,
        )
        self._prepare = photo_processor(directory, reference.name)
        self._tokenizer = _tokenizer(directory, reference.name)
        # Tokenizers saved without a limit claim an astronomical one; the position table is the real limit.
        self._text_length = min(
            int(self._tokenizer.model_max_length), int(self._model.config.text_config.max_position_embeddings)
        )
        self.model_key = description.model_key
        self.dimension = description.dimension
        self.logit_scale: float | None = float(self._model.logit_scale.detach().float().exp())
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
            batch = stacked(photos, self._model.device, self._model.dtype)
            return unit_rows(_features(self._model.get_image_features(**batch)), self.dimension)

    def encode_photos(self, photos: "Sequence[Image]") -> "NDArray[np.float32]":
        """See protocol.Encoder.encode_photos."""
        return self.encode_prepared([self.prepare(photo) for photo in photos])

    def encode_texts(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """See protocol.Encoder.encode_texts."""
        import torch

        if not texts:
            return np.empty((0, self.dimension), np.float32)
        tokens = self._tokenizer(
            [text.lower() for text in texts] if self._family.lowercase_text else list(texts),
            padding="max_length" if self._family.pad_text_to_maximum else True,
            truncation=True,
            max_length=self._text_length,
            return_tensors="pt",
        )
        with torch.inference_mode():
            batch = {name: tensor.to(self._model.device) for name, tensor in tokens.items()}
            return unit_rows(_features(self._model.get_text_features(**batch)), self.dimension)


def _features(output: "torch.Tensor | ModelOutput") -> "torch.Tensor":
    # transformers 4 returned the tensor itself; 5 returns an output object that holds it as pooler_output.
    features: torch.Tensor = getattr(output, "pooler_output", output)
    return features


def _tokenizer(directory: Path, name: str) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    try:
        with quiet():
            return AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except ImportError as error:
        raise ModelError(
            f"model {name}: its tokenizer needs a package; run pip install sentencepiece protobuf."
        ) from error
    except (ValueError, OSError, KeyError) as error:
        raise ModelError(
            f"model {name}: its tokenizer cannot be built ({str(error).strip().splitlines()[0]})."
        ) from error
