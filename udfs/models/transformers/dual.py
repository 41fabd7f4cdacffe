"""Two towers, one space: CLIP (and OpenCLIP in its form), SigLIP and SigLIP 2, both resolutions."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from udfs.errors import ModelError, first_line
from udfs.inference.vectors import unit_rows
from udfs.models.reference import ModelReference, model_directory
from udfs.models.transformers.checkpoint import quiet
from udfs.models.transformers.description import NetworkDescription
from udfs.models.transformers.families import FAMILIES
from udfs.models.transformers.vision import VisionEncoder, tower_output

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase


class DualEncoder(VisionEncoder):
    """Photos and texts to vectors that can be compared with each other. Implements network.Encoder."""

    has_text = True

    def __init__(self, reference: ModelReference, description: NetworkDescription) -> None:
        super().__init__(reference, description)
        began = time.perf_counter()
        self._family = FAMILIES[description.family]
        self._tokenizer = _tokenizer(model_directory(reference), reference.name)
        # Tokenizers saved without a limit claim an astronomical one; the position table is the real limit.
        self._text_length = min(
            int(self._tokenizer.model_max_length), int(self._model.config.text_config.max_position_embeddings)
        )
        self.logit_scale = description.logit_scale  # as the files have it, whatever the dtype in use
        self.load_seconds += time.perf_counter() - began

    def encode_texts(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """See network.Encoder.encode_texts."""
        import torch

        if not texts:
            return np.empty((0, self.dimension), np.float32)
        tokens = self._tokenizer(
            self._as_trained(texts),
            padding="max_length" if self._family.pad_text_to_maximum else True,
            truncation=True,
            max_length=self._text_length,
            return_tensors="pt",
        )
        with torch.inference_mode():
            batch = {name: tensor.to(self.device) for name, tensor in tokens.items()}
            return unit_rows(tower_output(self._model.get_text_features(**batch)), self.dimension)

    def tokens_cut(self, texts: Sequence[str]) -> Sequence[int]:
        """See network.Encoder.tokens_cut."""
        # No token is shorter than a byte, so that short texts need not be looked at; two are for beginning and end.
        long = [row for row, text in enumerate(texts) if len(text.encode()) > self._text_length - 2]
        cut = [0] * len(texts)
        if long:
            found = self._tokenizer(self._as_trained([texts[row] for row in long]), verbose=False)["input_ids"]
            for row, tokens in zip(long, found, strict=True):
                cut[row] = max(0, len(tokens) - self._text_length)
        return cut

    def _as_trained(self, texts: Sequence[str]) -> list[str]:
        return [text.lower() for text in texts] if self._family.lowercase_text else list(texts)


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
        raise ModelError(f"model {name}: its tokenizer cannot be built ({first_line(error)}).") from error
