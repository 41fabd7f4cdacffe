"""Trains the demo's dual encoder from scratch: `python -m jobs.demo.train --output DIR --seed N --minutes M`."""

from __future__ import annotations

import argparse
import copy
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch.nn import functional
from transformers import CLIPModel, PreTrainedTokenizerFast

from jobs.demo.captions import BACKGROUND_WORDS, LIGHTING_WORDS, all_facts
from jobs.demo.dataset import Photos, Statements, render_photos, scenes_of, statements, write_captions
from jobs.demo.model_files import GRID, IMAGE_SIZE, MAXIMUM_TOKENS, build_model, build_tokenizer, save
from jobs.demo.scene import DAMAGE_KINDS, PARTS, SEVERITIES
from jobs.demo.zero_shot_rule import PromptIndex, facet_logits, prompts_of

LOGGER = logging.getLogger(__name__)
TAXONOMY = Path(__file__).resolve().parents[2] / "conf" / "taxonomies" / "vehicle.yaml"
BATCH = 48
CAPTIONS_EACH = 6
CHECKPOINT_EVERY = 200
MEAN_DECAY = 0.995
PEAK_RATE = 1.2e-3
# Words that people put around what they look for.
FILLERS = "show me find the photos of claims with that has have where please all an image images pictures cars vehicles"


@dataclass(frozen=True)
class Corpus:
    """Photos, their captions as token ids (n, captions, tokens) and as statements, and the taxonomy's prompts."""

    photos: Photos
    tokens: NDArray[np.int64]
    said: Statements
    prompts: PromptIndex
    prompt_tokens: torch.Tensor
    taxonomy: Mapping[str, Any]


class Trainee(torch.nn.Module):
    """The model, and heads that see what the photo shows and where; the heads are thrown away at the end.

    A transformer that must find small damages by captions alone learns slowly. The renderer knows which patch
    shows which damage, so a head on the patches teaches the tower to see before it learns to speak.
    """

    def __init__(self, model: CLIPModel) -> None:
        super().__init__()
        width = model.config.vision_config.hidden_size
        self.model = model
        self.patch_head = torch.nn.Linear(width, len(DAMAGE_KINDS))
        self.fact_head = torch.nn.Linear(width, len(all_facts()))


def augment(pixels: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int]]:
    """Photos (n, 3, s, s) in -1..1 shifted, mirrored and lit at random; returns which are mirrored, and the shift."""
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
    return ((pixels + 1) * gain - 1 + tint + noise).clamp(-1, 1), mirrored, (down, across)


def contrastive(similarity: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, the sum outside the logarithm) over rows with a positive."""
    share = positive.float()
    rows = share.sum(dim=1) > 0
    log_probability = similarity.log_softmax(dim=1)
    per_row = (log_probability * share).sum(dim=1)[rows] / share.sum(dim=1)[rows]
    return -per_row.mean()


def objective(
    trainee: Trainee, corpus: Corpus, chosen: NDArray[np.int64], generator: torch.Generator
) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss of one batch, and its parts for the log."""
    model = trainee.model
    photos = corpus.photos
    pixels = torch.from_numpy(photos.pixels[chosen]).permute(0, 3, 1, 2).float() / 127.5 - 1
    pixels, mirrored, _ = augment(pixels, generator)
    picked = torch.randint(CAPTIONS_EACH, (len(chosen),), generator=generator).numpy()
    token_ids = torch.from_numpy(corpus.tokens[chosen, picked])
    token_ids = token_ids[:, : int((token_ids != 0).sum(dim=1).max())]
    seen = model.vision_model(pixel_values=pixels)
    photo_vectors = functional.normalize(model.visual_projection(seen.pooler_output), dim=1)
    captions, prompts = _speak(model, token_ids), _speak(model, corpus.prompt_tokens)
    patch_logits = trainee.patch_head(seen.last_hidden_state[:, 1:])
    fact_logits = trainee.fact_head(seen.pooler_output)
    scale = model.logit_scale.exp().clamp(max=100)

    facts = torch.from_numpy(photos.facts[chosen]).float()
    rows = chosen * CAPTIONS_EACH + picked
    says, denies = torch.from_numpy(corpus.said.says[rows]).float(), torch.from_numpy(corpus.said.denies[rows]).float()
    true_of = (facts @ says.T >= says.sum(dim=1)) & (facts @ denies.T == 0)
    similarity = scale * photo_vectors @ captions.T
    parts = {"caption": contrastive(similarity.T, true_of.T) + contrastive(similarity, true_of)}

    names = list(all_facts())
    damaged = facts[:, names.index("damaged")] > 0
    for facet, values, weight in (("damage", DAMAGE_KINDS, 3.0), ("severity", SEVERITIES, 0.7), ("part", PARTS, 0.7)):
        settings = next(entry for entry in corpus.taxonomy["facets"] if entry["name"] == facet)
        logits = facet_logits(photo_vectors, prompts, corpus.prompts, settings, scale)
        truth = facts[:, [names.index(f"{facet}:{value}") for value in values]]
        if facet == "damage":
            loss = functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=torch.tensor(2.0))
        else:
            loss = functional.cross_entropy(logits[damaged], truth[damaged].argmax(dim=1))
        parts[facet] = weight * loss

    patches = torch.from_numpy(photos.patches[chosen])
    patches = torch.where(mirrored[:, None, None, None], patches.flip(2), patches).flatten(1, 2).float()
    parts["patches"] = 6.0 * functional.binary_cross_entropy_with_logits(
        patch_logits, patches, pos_weight=torch.tensor(4.0)
    )
    parts["facts"] = 3.0 * functional.binary_cross_entropy_with_logits(fact_logits, facts)
    return torch.stack(list(parts.values())).sum(), {name: float(value.detach()) for name, value in parts.items()}


def _speak(model: CLIPModel, token_ids: torch.Tensor) -> torch.Tensor:
    """Unit vectors of texts."""
    spoken = model.text_projection(model.text_model(input_ids=token_ids).pooler_output)
    return functional.normalize(spoken, dim=1)


def tokenize(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> torch.Tensor:
    """Token ids (n, tokens), padded to the longest text."""
    encoded = tokenizer(texts, padding=True, truncation=True, max_length=MAXIMUM_TOKENS, return_tensors="pt")
    return torch.as_tensor(encoded["input_ids"])


def prepare(seed: int, count: int, cache: Path | None) -> tuple[Corpus, PreTrainedTokenizerFast]:
    """Renders the training photos (or takes their pixels from the cache) and writes their captions."""
    scenes = scenes_of(seed, count)
    if cache and cache.exists():
        stored = np.load(cache)
        photos = Photos(scenes, stored["pixels"], stored["facts"], stored["patches"])
    else:
        started = time.monotonic()
        photos = render_photos(scenes, size=IMAGE_SIZE, grid=GRID)
        LOGGER.info("rendered %d photos in %.0f s", count, time.monotonic() - started)
        if cache:
            np.savez(cache, pixels=photos.pixels, facts=photos.facts, patches=photos.patches)
    captions = [one for of_photo in write_captions(scenes, seed=seed + 1, each=CAPTIONS_EACH) for one in of_photo]
    said = statements(captions)
    taxonomy = yaml.safe_load(TAXONOMY.read_text(encoding="utf-8"))
    prompts = prompts_of(taxonomy)
    places = [word for words in (*BACKGROUND_WORDS.values(), *LIGHTING_WORDS.values()) for word in words]
    tokenizer = build_tokenizer([*set(said.texts), *prompts.prompts, *places, FILLERS])
    generator = np.random.default_rng(seed + 2)
    tokens = tokenize(tokenizer, [_with_fillers(text, generator) for text in said.texts])
    shape = (count, CAPTIONS_EACH, tokens.shape[1])
    prompt_tokens = tokenize(tokenizer, prompts.prompts)
    return Corpus(photos, tokens.numpy().reshape(shape), said, prompts, prompt_tokens, taxonomy), tokenizer


def _with_fillers(text: str, generator: np.random.Generator) -> str:
    """Sometimes the words that people put before what they look for, known or not."""
    if generator.random() < 0.85:
        return text
    words = [*FILLERS.split(), "<unk>", "<unk>", "<unk>"]
    chosen = [words[int(generator.integers(len(words)))] for _ in range(int(generator.integers(1, 4)))]
    return f"{' '.join(chosen)} {text}"


def train(
    corpus: Corpus, model: CLIPModel, *, seed: int, steps: int, minutes: float, checkpoint: Callable[[CLIPModel], None]
) -> CLIPModel:
    """Trains for so many steps, or for so many minutes where the machine is slow.

    Returns the running mean of the weights, which generalises better than the last weights; `checkpoint` is
    given it now and then.
    """
    order = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    trainee = Trainee(model)
    decayed = [p for p in trainee.parameters() if p.ndim > 1]
    plain = [p for p in trainee.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}], lr=0.0, betas=(0.9, 0.98)
    )
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(MEAN_DECAY)  # type: ignore[no-untyped-call]
    mean = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=average)
    started = time.monotonic()
    step, share = 0, 0.0
    running: dict[str, float] = {}
    while share < 1.0:
        share = min(1.0, max(step / steps, (time.monotonic() - started) / (minutes * 60)))
        rate = PEAK_RATE * min(1.0, (step + 1) / 200) * (0.5 * (1 + math.cos(math.pi * share)) + 0.01)
        for group in optimiser.param_groups:
            group["lr"] = rate
        chosen = order.choice(len(corpus.photos.scenes), BATCH, replace=False)
        loss, parts = objective(trainee, corpus, chosen, generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        optimiser.step()
        mean.update_parameters(model)
        running = {name: 0.97 * running.get(name, value) + 0.03 * value for name, value in parts.items()}
        step += 1
        if step % 50 == 0:
            shown = " ".join(f"{name} {value:.3f}" for name, value in running.items())
            scale = float(model.logit_scale.detach().exp())
            LOGGER.info("step %d, %.0f %%, scale %.1f: %s", step, share * 100, scale, shown)
        if step % CHECKPOINT_EVERY == 0:
            checkpoint(_averaged(mean))
    return _averaged(mean)


def _averaged(mean: torch.optim.swa_utils.AveragedModel) -> CLIPModel:
    model = copy.deepcopy(mean.module)
    if not isinstance(model, CLIPModel):
        raise TypeError("the averaged model is not a CLIP model")
    return model.eval()


def main() -> None:
    """Renders, trains, saves; `python -m jobs.demo.evaluate` measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--minutes", type=float, default=120.0, help="the longest to train, rendering not counted")
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=1, help="more help only where the cores are idle")
    parser.add_argument("--start", type=Path, help="go on from this model instead of from random weights")
    parser.add_argument("--cache", type=Path, help="keep the rendered photos in this .npz file")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    # Moments that fade to denormal numbers make a CPU many times slower.
    torch.set_flush_denormal(True)
    corpus, tokenizer = prepare(options.seed, options.photos, options.cache)
    torch.manual_seed(options.seed)
    start = CLIPModel.from_pretrained(options.start).float() if options.start else build_model(len(tokenizer))
    model = train(
        corpus,
        start,
        seed=options.seed,
        steps=options.steps,
        minutes=options.minutes,
        checkpoint=lambda model: save(model, tokenizer, options.output),
    )
    save(model, tokenizer, options.output)
    LOGGER.info("saved to %s", options.output)


if __name__ == "__main__":
    main()
