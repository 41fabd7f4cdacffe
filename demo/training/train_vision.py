"""First lesson: the vision tower learns to see what the renderer drew, patch by patch and photo by photo.

Captions alone teach a small transformer slowly. The renderer knows which patch shows which damage, so two linear
heads, thrown away at the end, teach the tower to see before it learns what people call it.
"""

from __future__ import annotations

import logging
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import distributed, nn
from torch.nn import functional
from transformers import CLIPModel

from demo.claims.captions import all_facts
from demo.drawing.scene import DAMAGE_KINDS
from demo.training.corpus import as_input, augment
from demo.training.dataset import Photos
from demo.training.initial_weights import PHOTOS_SAMPLED, initialise
from demo.training.schedule import learning_rate

LOGGER = logging.getLogger(__name__)
PHOTOS_A_STEP = 64
PEAK_RATE = 5e-3
LOG_EVERY = 200


@dataclass(frozen=True)
class Lesson:
    """What every process trains on, in shared memory: pixels (n, s, s, 3) uint8, facts (n, f), patches (n, g, g, 6)."""

    pixels: torch.Tensor
    facts: torch.Tensor
    patches: torch.Tensor
    seed: int
    minutes: float
    processes: int
    result: Path


class Seeing(nn.Module):
    """The tower and the two heads: logits of each patch's damages, and of each fact of the photo."""

    def __init__(self, model: CLIPModel, fact_share: torch.Tensor) -> None:
        super().__init__()
        width = model.config.vision_config.hidden_size
        self.tower = model.vision_model
        self.patch_head = nn.Linear(width, len(DAMAGE_KINDS))
        self.fact_head = nn.Linear(width, len(fact_share))
        # Most facts are false of most photos: start from how often they are true.
        nn.init.constant_(self.patch_head.bias, -4.0)
        self.fact_head.bias.data = torch.logit(fact_share.clamp(0.01, 0.99))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (n, patches, kinds) and (n, facts) of photos (n, 3, s, s)."""
        seen = self.tower(pixel_values=pixels)
        return self.patch_head(seen.last_hidden_state[:, 1:]), self.fact_head(seen.pooler_output)


def train_vision(model: CLIPModel, photos: Photos, *, seed: int, minutes: float, processes: int) -> None:
    """Train `model.vision_model` in place, for so many minutes in so many processes of one thread each."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "vision.pt"
        # torch moves tensors into shared memory when it hands them to another process.
        tensors = [torch.from_numpy(array) for array in (photos.pixels, photos.facts, photos.patches)]
        lesson = Lesson(tensors[0], tensors[1], tensors[2], seed, minutes, processes, result)
        initialise(model.vision_model, as_input(tensors[0][:PHOTOS_SAMPLED]), torch.Generator().manual_seed(seed))
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            for learner in [pool.submit(_learn, rank, lesson, model) for rank in range(processes)]:
                learner.result()
        model.vision_model.load_state_dict(torch.load(result, weights_only=True))


def _learn(rank: int, lesson: Lesson, model: CLIPModel) -> None:
    """One process: its own photos, everybody's gradient."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    # Moments that fade to denormal numbers make a CPU many times slower.
    torch.set_flush_denormal(True)
    meeting = lesson.result.with_name("meeting")
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=lesson.processes)
    torch.manual_seed(lesson.seed)
    seeing = Seeing(model, lesson.facts.float().mean(dim=0))
    parameters = list(seeing.parameters())
    optimisers = _optimisers(seeing)
    generator = torch.Generator().manual_seed(lesson.seed * 1_000 + rank)
    order = np.random.default_rng((lesson.seed, rank))
    weights = torch.tensor([3.0 if fact.startswith("damage:") else 1.0 for fact in all_facts()])
    each = max(1, PHOTOS_A_STEP // lesson.processes)
    started, step, share = time.monotonic(), 0, torch.zeros(1)
    recent = [0.0, 0.0]
    while share < 1:
        share.fill_(min(1.0, (time.monotonic() - started) / (lesson.minutes * 60)))
        distributed.all_reduce(share, op=distributed.ReduceOp.MAX)
        rate = learning_rate(PEAK_RATE, step, float(share))
        chosen = torch.from_numpy(order.choice(len(lesson.pixels), each, replace=False))
        patch_loss, fact_loss = _losses(seeing, lesson, chosen, weights, generator)
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=False)
            for group in optimiser.param_groups:
                group["lr"] = rate
        torch.autograd.backward(8 * patch_loss + 4 * fact_loss)
        _average_gradients(parameters, lesson.processes)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimiser in optimisers:
            optimiser.step()
        step += 1
        recent = [
            0.98 * old + 0.02 * float(new.detach()) for old, new in zip(recent, (patch_loss, fact_loss), strict=True)
        ]
        if rank == 0 and step % LOG_EVERY == 0:
            settled = 1 - 0.98**step
            LOGGER.info(
                "vision: step %d, %.0f %%, patches %.4f, facts %.4f",
                step, 100 * float(share), recent[0] / settled, recent[1] / settled,
            )  # fmt: skip
    if rank == 0:
        torch.save(seeing.tower.state_dict(), lesson.result)
    distributed.barrier()
    distributed.destroy_process_group()


def _losses(
    seeing: Seeing, lesson: Lesson, chosen: torch.Tensor, weights: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    pixels, mirrored = augment(as_input(lesson.pixels[chosen]), generator)
    patch_logits, fact_logits = seeing(pixels)
    patches = lesson.patches[chosen]
    patches = torch.where(mirrored[:, None, None, None], patches.flip(2), patches).flatten(1, 2).float()
    by_patch = functional.binary_cross_entropy_with_logits(patch_logits, patches, pos_weight=torch.tensor(4.0))
    by_fact = functional.binary_cross_entropy_with_logits(fact_logits, lesson.facts[chosen].float(), weight=weights)
    return by_patch, by_fact


def _optimisers(seeing: Seeing) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices inside the tower, AdamW for everything else."""
    inner = [
        parameter
        for name, parameter in seeing.tower.named_parameters()
        if parameter.ndim == 2 and "embedding" not in name
    ]
    taken = {id(parameter) for parameter in inner}
    others = [parameter for parameter in seeing.parameters() if id(parameter) not in taken]
    return [
        torch.optim.Muon(inner, lr=0.0, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=0.0, weight_decay=0.01, betas=(0.9, 0.98)),
    ]


def _average_gradients(parameters: list[nn.Parameter], processes: int) -> None:
    if processes == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    together = nn.utils.parameters_to_vector(gradients)
    distributed.all_reduce(together)
    nn.utils.vector_to_parameters(together / processes, gradients)
