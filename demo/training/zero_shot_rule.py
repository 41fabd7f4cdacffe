"""The zero-shot rule in differentiable form, so that training optimises what classification will compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class PromptIndex:
    """All prompts of a taxonomy in one list, and which of them belong to each ensemble."""

    prompts: list[str]
    ensembles: dict[str, list[int]]


def prompts_of(taxonomy: Mapping[str, Any]) -> PromptIndex:
    """The prompts of a taxonomy; ensembles are named 'facet/class' and 'facet/class/contrast'."""
    prompts: list[str] = []
    ensembles: dict[str, list[int]] = {}

    def add(name: str, texts: list[str]) -> None:
        ensembles[name] = list(range(len(prompts), len(prompts) + len(texts)))
        prompts.extend(texts)

    for facet in taxonomy["facets"]:
        for entry in facet["classes"]:
            name = f"{facet['name']}/{entry['name']}"
            add(name, entry["prompts"])
            if facet["kind"] == "multi_label":
                add(f"{name}/contrast", entry.get("contrast") or facet["contrast"])
    return PromptIndex(prompts, ensembles)


def ensemble(vectors: torch.Tensor, index: PromptIndex, name: str) -> torch.Tensor:
    """An ensemble's vector: the normalised mean of its prompts' unit vectors, shape (dimension,)."""
    return torch.nn.functional.normalize(vectors[index.ensembles[name]].mean(dim=0), dim=0)


def facet_logits(
    photos: torch.Tensor, vectors: torch.Tensor, index: PromptIndex, facet: Mapping[str, Any], scale: torch.Tensor
) -> torch.Tensor:
    """Logits (photos, classes): for a sigmoid in a multi-label facet (without `none`), else for a softmax."""
    columns = []
    for entry in facet["classes"]:
        name = f"{facet['name']}/{entry['name']}"
        if facet["kind"] == "multi_label":
            if entry["name"] == facet["none_class"]:
                continue
            towards = ensemble(vectors, index, name) - ensemble(vectors, index, f"{name}/contrast")
        else:
            towards = ensemble(vectors, index, name)
        columns.append(scale * photos @ towards)
    return torch.stack(columns, dim=1)
