"""Light on bodywork: how bright a surface looks by the way it faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Light:
    """The light of a scene: where it comes from, how strong, and what the sky and the ground reflect."""

    direction: tuple[float, float, float]
    ambient: float
    sun: float
    gloss: float
    sky: tuple[int, int, int]
    ground: tuple[int, int, int]


def normals_of(corners: Points) -> Points:
    """Unit normals (n, 3) of quads (n, 4, 3)."""
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    unit: Points = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return unit


def shade(normals: Points, towards: Points, colour: tuple[int, int, int] | Points, light: Light) -> NDArray[np.uint8]:
    """Colours (n, 3) of a painted surface by its normals and the unit vectors towards the camera.

    Lambert's cosine law, Blinn and Phong's highlight, and a mirrored sky above a mirrored ground.
    """
    sun = np.asarray(light.direction) / np.linalg.norm(light.direction)
    diffuse = light.ambient + light.sun * np.maximum(normals @ sun, 0)
    half = towards + sun
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    highlight = np.maximum(np.sum(normals * half, axis=1), 0) ** 40
    mirrored = 2 * np.sum(normals * towards, axis=1, keepdims=True) * normals - towards
    upward = np.clip(mirrored[:, 1] * 4, -1, 1)[:, None] * 0.5 + 0.5
    surroundings = upward * np.asarray(light.sky) + (1 - upward) * np.asarray(light.ground)
    fresnel = 0.1 + 0.5 * (1 - np.clip(np.sum(normals * towards, axis=1), 0, 1))[:, None] ** 3
    lit = np.asarray(colour, float) * diffuse[:, None]
    result = lit * (1 - fresnel) + surroundings * fresnel + 255 * light.gloss * highlight[:, None]
    colours: NDArray[np.uint8] = np.clip(result, 0, 255).astype(np.uint8)
    return colours


def grid_quads(grid: Points) -> Points:
    """Quads (n, 4, 3) of a grid of points (rows, columns, 3)."""
    return np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=2).reshape(-1, 4, 3)
