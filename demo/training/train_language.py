"""Second lesson: the text tower learns what people call what the vision tower sees.

The vision tower is finished by then, so every photo is seen once or a few times, before the lesson; a step costs
little more than its captions, and each caption is told apart from a thousand photos.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPModel

from demo.claims.captions import all_facts
from demo.drawing.scene import DAMAGE_KINDS, PARTS, SEVERITIES
from demo.training.corpus import CAPTIONS_EACH, Language, as_input, augment
from demo.training.dataset import Photos
from demo.training.schedule import learning_rate
from demo.training.zero_shot_rule import facet_logits

LOGGER = logging.getLogger(__name__)
PHOTOS_A_STEP = 768
CAPTIONS_A_STEP = 128
PEAK_RATE = 2e-3
LOG_EVERY = 200
# Each facet's classes and the weight of its loss; what a photo is searched for most is its damage.
FACETS = (("damage", DAMAGE_KINDS, 3.0), ("severity", SEVERITIES, 0.7), ("part", PARTS, 0.7))


@dataclass(frozen=True)
class Sights:
    """What the tower made of the photos: pooled states (views, n, width), and the photos' facts (n, f)."""

    states: torch.Tensor
    facts: torch.Tensor


def look(model: CLIPModel, photos: Photos, *, views: int, seed: int, batch: int = 128) -> Sights:
    """See every photo `views` times: as it is, then shifted, mirrored and lit at random."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.from_numpy(photos.pixels)
    states = torch.empty(views, len(pixels), model.config.vision_config.hidden_size)
    with torch.inference_mode():
        for view in range(views):
            for start in range(0, len(pixels), batch):
                seen = as_input(pixels[start : start + batch])
                if view:
                    seen, _ = augment(seen, generator)
                states[view, start : start + batch] = model.vision_model(pixel_values=seen).pooler_output
    return Sights(states, torch.from_numpy(photos.facts).float())


def train_language(model: CLIPModel, sights: Sights, language: Language, *, seed: int, steps: int) -> None:
    """Train the text tower, both projections and the scale in place; the vision tower stays as it is."""
    parameters = [
        *model.text_model.parameters(),
        *model.text_projection.parameters(),
        *model.visual_projection.parameters(),
        model.logit_scale,
    ]
    optimiser = torch.optim.AdamW(parameters, lr=0.0, weight_decay=0.02, betas=(0.9, 0.98))
    order, running = np.random.default_rng((seed, 3)), dict[str, float]()
    for step in range(steps):
        rate = learning_rate(PEAK_RATE, step, step / steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        parts = _losses(model, sights, language, order)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(parts.values())).sum())
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        running = {
            name: 0.97 * running.get(name, float(value.detach())) + 0.03 * float(value.detach())
            for name, value in parts.items()
        }
        if (step + 1) % LOG_EVERY == 0:
            shown = ", ".join(f"{name} {value:.3f}" for name, value in running.items())
            LOGGER.info(
                "language: step %d of %d, scale %.1f, %s",
                step + 1,
                steps,
                float(model.logit_scale.detach().exp()),
                shown,
            )


def contrastive(similarity: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, the sum outside the logarithm) over rows with a positive."""
    share = positive.float()
    rows = share.sum(dim=1) > 0
    log_probability = similarity.log_softmax(dim=1)
    per_row = (log_probability * share).sum(dim=1)[rows] / share.sum(dim=1)[rows]
    return -per_row.mean()


def _losses(
    model: CLIPModel, sights: Sights, language: Language, order: np.random.Generator
) -> dict[str, torch.Tensor]:
    views, count, _ = sights.states.shape
    chosen = torch.from_numpy(order.permutation(count)[:PHOTOS_A_STEP])
    view = torch.from_numpy(order.integers(views, size=len(chosen)))
    photos = functional.normalize(model.visual_projection(sights.states[view, chosen]), dim=1)
    facts = sights.facts[chosen]
    captioned = chosen[:CAPTIONS_A_STEP].numpy()
    picked = order.integers(CAPTIONS_EACH, size=len(captioned))
    token_ids = torch.from_numpy(language.tokens[captioned, picked])
    captions = speak(model, token_ids[:, : int((token_ids != 0).sum(dim=1).max())])
    rows = captioned * CAPTIONS_EACH + picked
    says = torch.from_numpy(language.said.says[rows]).float()
    denies = torch.from_numpy(language.said.denies[rows]).float()
    true_of = (facts @ says.T >= says.sum(dim=1)) & (facts @ denies.T == 0)
    scale = model.logit_scale.exp().clamp(max=100)
    similarity = scale * captions @ photos.T
    parts = {
        "caption": contrastive(similarity, true_of.T)
        + 0.5 * contrastive(similarity.T[:CAPTIONS_A_STEP], true_of[:CAPTIONS_A_STEP])
    }
    return parts | _facet_losses(photos, facts, speak(model, language.prompt_tokens), language, scale)


def _facet_losses(
    photos: torch.Tensor, facts: torch.Tensor, prompts: torch.Tensor, language: Language, scale: torch.Tensor
) -> dict[str, torch.Tensor]:
    """What classification by the taxonomy's own prompts will get wrong."""
    names = list(all_facts())
    damaged = facts[:, names.index("damaged")] > 0
    parts = {}
    for facet, values, weight in FACETS:
        settings = next(entry for entry in language.taxonomy["facets"] if entry["name"] == facet)
        logits = facet_logits(photos, prompts, language.prompts, settings, scale)
        truth = facts[:, [names.index(f"{facet}:{value}") for value in values]]
        if facet == "damage":
            loss = functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=torch.tensor(1.3))
        else:
            loss = functional.cross_entropy(logits[damaged], truth[damaged].argmax(dim=1))
        parts[facet] = weight * loss
    return parts


def speak(model: CLIPModel, token_ids: torch.Tensor) -> torch.Tensor:
    """Unit vectors (n, dimension) of token ids (n, tokens)."""
    spoken = model.text_projection(model.text_model(input_ids=token_ids).pooler_output)
    return functional.normalize(spoken, dim=1)
