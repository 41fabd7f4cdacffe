"""Training photos and captions for the demo model, rendered small and kept in memory."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.claims.captions import Sentence, all_facts, caption, facts_of
from demo.drawing.render import Rendering, render
from demo.drawing.scene import DAMAGE_KINDS, Scene, random_scene

# Small enough to be quick; drawn four times larger, so that thin lines are as thin as in a full photo.
TRAINING_WIDTH = 160
OVERSAMPLE = 4


@dataclass(frozen=True)
class Photos:
    """Photos with their truth: pixels (n, size, size, 3) uint8, facts (n, f) and patch damages (n, g, g, 6) bool."""

    scenes: list[Scene]
    pixels: NDArray[np.uint8]
    facts: NDArray[np.bool_]
    patches: NDArray[np.bool_]


@dataclass(frozen=True)
class Statements:
    """Sentences as matrices over the vocabulary of facts: what each says and what each denies, (n, f) bool."""

    texts: list[str]
    says: NDArray[np.bool_]
    denies: NDArray[np.bool_]


def scenes_of(seed: int, count: int) -> list[Scene]:
    """The scenes of a seed."""
    generator = np.random.default_rng(seed)
    return [random_scene(generator) for _ in range(count)]


def render_photos(
    scenes: list[Scene], *, size: int, grid: int, processes: int = 2, width: int = TRAINING_WIDTH
) -> Photos:
    """Renders scenes at the model's input size."""
    work = partial(_small, size=size, grid=grid, width=width)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        rendered = list(pool.map(work, scenes, chunksize=32))
    return Photos(
        scenes=scenes,
        pixels=np.stack([pixels for pixels, _ in rendered]),
        facts=fact_matrix([facts_of(scene) for scene in scenes]),
        patches=np.stack([patches for _, patches in rendered]),
    )


def write_captions(scenes: list[Scene], *, seed: int, each: int) -> list[list[Sentence]]:
    """`each` captions for every scene."""
    generator = np.random.default_rng(seed)
    return [[caption(generator, scene) for _ in range(each)] for scene in scenes]


def fact_matrix(sets: list[frozenset[str]]) -> NDArray[np.bool_]:
    """Sets of facts as rows over the vocabulary."""
    index = {fact: column for column, fact in enumerate(all_facts())}
    matrix = np.zeros((len(sets), len(index)), bool)
    for row, facts in enumerate(sets):
        matrix[row, [index[fact] for fact in facts]] = True
    return matrix


def statements(sentences: list[Sentence]) -> Statements:
    """Sentences as matrices."""
    return Statements(
        texts=[sentence.text for sentence in sentences],
        says=fact_matrix([sentence.says for sentence in sentences]),
        denies=fact_matrix([sentence.denies for sentence in sentences]),
    )


def _small(scene: Scene, *, size: int, grid: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    rendering = render(scene, width=width, oversample=OVERSAMPLE)
    picture = rendering.image.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.uint8), _patches(rendering, grid)


def _patches(rendering: Rendering, grid: int) -> NDArray[np.bool_]:
    """Which patches each damage covers by more than a quarter, or by its middle."""
    marks = np.zeros((grid, grid, len(DAMAGE_KINDS)), bool)
    edges = np.arange(grid) / grid
    for region in rendering.regions:
        across = np.clip(np.minimum(edges + 1 / grid, region.right) - np.maximum(edges, region.left), 0, None) * grid
        down = np.clip(np.minimum(edges + 1 / grid, region.bottom) - np.maximum(edges, region.top), 0, None) * grid
        kind = DAMAGE_KINDS.index(region.kind)
        marks[:, :, kind] |= down[:, None] * across[None, :] > 0.25
        row = int(np.clip((region.top + region.bottom) / 2 * grid, 0, grid - 1))
        column = int(np.clip((region.left + region.right) / 2 * grid, 0, grid - 1))
        marks[row, column, kind] = True
    return marks
