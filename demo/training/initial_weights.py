"""First weights of the vision tower. A small transformer with few photos learns several times faster from these."""

from __future__ import annotations

import math

import torch
from transformers.models.clip.modeling_clip import CLIPAttention, CLIPEncoderLayer, CLIPVisionModel

PHOTOS_SAMPLED = 2_000


def initialise(tower: CLIPVisionModel, photos: torch.Tensor, generator: torch.Generator) -> None:
    """Give a CLIP vision tower whitened patches, positions on a grid and attention that already looks around.

    Args:
        tower: `CLIPModel.vision_model`; changed in place.
        photos: (n, 3, s, s) in -1..1; PHOTOS_SAMPLED of them are plenty.
        generator: for the random parts.
    """
    config = tower.config
    width, patch = config.hidden_size, config.patch_size
    with torch.no_grad():
        tower.embeddings.patch_embedding.weight.copy_(
            _whitening(photos, patch, width, generator).reshape(width, 3, patch, patch)
        )
        tower.embeddings.position_embedding.weight[1:] = _grid_positions(config.image_size // patch, width)
        for layer in tower.encoder.layers:
            if not isinstance(layer, CLIPEncoderLayer):
                raise TypeError(f"{type(layer).__name__} is not a layer of CLIP")
            _mimic_attention(layer.self_attn, config.num_attention_heads, generator)


def _whitening(photos: torch.Tensor, patch: int, width: int, generator: torch.Generator) -> torch.Tensor:
    """Principal components of patches, all equally strong, turned at random: (width, 3 * patch * patch).

    Cracks and scratches are a thousandth of a patch's variance; without this the gradient hardly sees them.
    """
    windows = photos.unfold(2, patch, patch).unfold(3, patch, patch)
    patches = windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * patch * patch)
    variance, component = torch.linalg.eigh(torch.cov((patches - patches.mean(dim=0)).T))
    variance, component = variance.flip(0)[:width], component.flip(1)[:, :width]
    turn = torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
    whitened: torch.Tensor = turn @ (component / torch.sqrt(variance + 2e-3)).T * 0.5
    return whitened


def _grid_positions(side: int, width: int) -> torch.Tensor:
    """Sines and cosines of row and column, (side * side, width); Vaswani et al. 2017, in two dimensions."""
    quarter = width // 4
    frequency = 1 / (100 ** (torch.arange(quarter) / quarter))
    angle = torch.arange(side).float()[:, None] * frequency
    waves = torch.cat([angle.sin(), angle.cos()], dim=1)
    rows, columns = waves[:, None].expand(side, side, -1), waves[None].expand(side, side, -1)
    return torch.cat([rows, columns], dim=2).reshape(side * side, width) * 0.5


def _mimic_attention(attention: CLIPAttention, heads: int, generator: torch.Generator) -> None:
    """Queries that match keys of like tokens, values nearly negated; Trockman and Kolter 2023."""
    width = attention.q_proj.weight.shape[0]
    each = width // heads
    eye = torch.eye(width)
    for head in range(heads):
        wanted = 0.7 * torch.randn(width, width, generator=generator) / math.sqrt(width) + 0.7 * eye
        left, strength, right = torch.linalg.svd(wanted)
        rows = slice(head * each, (head + 1) * each)
        attention.q_proj.weight[rows] = (left[:, :each] * strength[:each].sqrt()).T
        attention.k_proj.weight[rows] = (right[:each].T * strength[:each].sqrt()).T
    wanted = 0.4 * torch.randn(width, width, generator=generator) / math.sqrt(width) - 0.4 * eye
    left, strength, right = torch.linalg.svd(wanted)
    attention.v_proj.weight.copy_((right.T * strength.sqrt()).T)
    attention.out_proj.weight.copy_(left * strength.sqrt())
