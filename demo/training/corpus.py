"""What the demo model learns from: rendered photos, what can be said of them, and the taxonomy's prompts."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from demo.claims.captions import BACKGROUND_WORDS, LIGHTING_WORDS
from demo.training.dataset import Photos, Statements, render_photos, scenes_of, statements, write_captions
from demo.training.model_files import GRID, IMAGE_SIZE, MAXIMUM_TOKENS, build_tokenizer
from demo.training.zero_shot_rule import PromptIndex, prompts_of

LOGGER = logging.getLogger(__name__)
TAXONOMY = Path(__file__).resolve().parents[2] / "conf" / "taxonomies" / "vehicle.yaml"
CAPTIONS_EACH = 6
# Words that people put around what they look for.
FILLERS = "show me find the photos of claims with that has have where please all an image images pictures cars vehicles"


@dataclass(frozen=True)
class Language:
    """Captions as token ids (photos, CAPTIONS_EACH, tokens) and as statements, and the taxonomy's prompts."""

    tokenizer: PreTrainedTokenizerFast
    tokens: NDArray[np.int64]
    said: Statements
    prompts: PromptIndex
    prompt_tokens: torch.Tensor
    taxonomy: Mapping[str, Any]


def photos_of(seed: int, count: int, kept: Path | None = None) -> Photos:
    """The training photos of a seed, rendered, or read from the .npz file where an earlier run kept them."""
    scenes = scenes_of(seed, count)
    if kept and kept.exists():
        stored = np.load(kept)
        if len(stored["pixels"]) == count:
            return Photos(scenes, stored["pixels"], stored["facts"], stored["patches"])
    started = time.monotonic()
    photos = render_photos(scenes, size=IMAGE_SIZE, grid=GRID)
    LOGGER.info("rendered %d photos in %.0f s", count, time.monotonic() - started)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, pixels=photos.pixels, facts=photos.facts, patches=photos.patches)
    return photos


def language_of(photos: Photos, seed: int) -> Language:
    """Captions of the photos, and the tokenizer that knows their words and those of the taxonomy."""
    captions = [one for group in write_captions(photos.scenes, seed=seed + 1, each=CAPTIONS_EACH) for one in group]
    said = statements(captions)
    taxonomy = yaml.safe_load(TAXONOMY.read_text(encoding="utf-8"))
    prompts = prompts_of(taxonomy)
    places = [word for words in (*BACKGROUND_WORDS.values(), *LIGHTING_WORDS.values()) for word in words]
    tokenizer = build_tokenizer([*set(said.texts), *prompts.prompts, *places, FILLERS])
    generator = np.random.default_rng(seed + 2)
    tokens = tokenize(tokenizer, [_with_fillers(text, generator) for text in said.texts])
    shape = (len(photos.scenes), CAPTIONS_EACH, tokens.shape[1])
    prompt_tokens = tokenize(tokenizer, prompts.prompts)
    return Language(tokenizer, tokens.numpy().reshape(shape), said, prompts, prompt_tokens, taxonomy)


def tokenize(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> torch.Tensor:
    """Token ids (n, tokens), padded to the longest text."""
    encoded = tokenizer(texts, padding=True, truncation=True, max_length=MAXIMUM_TOKENS, return_tensors="pt")
    return torch.as_tensor(encoded["input_ids"])


def as_input(pixels: torch.Tensor) -> torch.Tensor:
    """Stored pixels (n, s, s, 3) uint8 as the model takes them, (n, 3, s, s) in -1..1."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def augment(pixels: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Photos (n, 3, s, s) in -1..1 shifted, mirrored and lit at random; and which are mirrored."""
    count = len(pixels)
    mirrored = torch.rand(count, generator=generator) < 0.5
    pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
    down, across = (int(value) for value in torch.randint(-4, 5, (2,), generator=generator))
    padded = functional.pad(pixels, (4, 4, 4, 4), mode="replicate")
    size = pixels.shape[2]
    pixels = padded[:, :, 4 - down : 4 - down + size, 4 - across : 4 - across + size]
    gain = 1 + 0.12 * torch.randn(count, 1, 1, 1, generator=generator)
    tint = 0.03 * torch.randn(count, 3, 1, 1, generator=generator)
    noise = 0.02 * torch.randn(1, *pixels.shape[1:], generator=generator)
    return ((pixels + 1) * gain - 1 + tint + noise).clamp(-1, 1), mirrored


def _with_fillers(text: str, generator: np.random.Generator) -> str:
    """Sometimes the words that people put before what they look for, known or not."""
    if generator.random() < 0.85:
        return text
    words = [*FILLERS.split(), "<unk>", "<unk>", "<unk>"]
    chosen = [words[int(generator.integers(len(words)))] for _ in range(int(generator.integers(1, 4)))]
    return f"{' '.join(chosen)} {text}"
