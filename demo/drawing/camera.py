"""A pinhole camera on a tripod beside the vehicle, and the surface that it draws on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

Points = NDArray[np.float64]
Colour = tuple[int, ...]


@dataclass(frozen=True)
class Camera:
    """Where the camera stands, what it looks at (metres) and the picture's size (pixels)."""

    azimuth: float
    distance: float
    height: float
    target: tuple[float, float, float]
    focal: float
    roll: float
    mirrored: bool
    size: tuple[int, int]

    @property
    def eye(self) -> Points:
        """The camera's place."""
        angle = math.radians(self.azimuth)
        return np.array([self.distance * math.cos(angle), self.height, self.distance * math.sin(angle)])

    def project(self, points: Points) -> Points:
        """Pixels (..., 2) of points (..., 3)."""
        eye = self.eye
        forward = np.array(self.target) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 1.0, 0.0))
        right /= np.linalg.norm(right)
        up = np.cross(right, forward)
        relative = np.asarray(points, float) - eye
        depth = np.maximum(relative @ forward, 0.2)
        across, above = (relative @ right) / depth, (relative @ up) / depth
        cosine, sine = math.cos(self.roll), math.sin(self.roll)
        across, above = cosine * across - sine * above, sine * across + cosine * above
        if self.mirrored:
            across = -across
        width, height = self.size
        scale = self.focal * width
        return np.stack([width / 2 + scale * across, height / 2 - scale * above], axis=-1)

    @property
    def horizon(self) -> float:
        """The horizon's height in pixels, in the middle of the picture."""
        angle = math.radians(self.azimuth)
        far = np.array([-1000 * math.cos(angle), self.height, -1000 * math.sin(angle)])
        return float(self.project(far)[1])


@dataclass(frozen=True)
class Canvas:
    """Draws shapes given in metres; `unit` is the pixel width of a one-pixel line in a 640-pixel picture."""

    draw: ImageDraw.ImageDraw
    camera: Camera
    unit: float
    lowered: tuple[float, float]

    def project(self, points: Points) -> Points:
        """Pixels of the vehicle's points: it sinks where a tyre is flat (`lowered`: metres per metre, at 0)."""
        points = np.array(points, float)
        slope, offset = self.lowered
        points[..., 1] += slope * points[..., 0] + offset
        return self.camera.project(points)

    def polygon(self, points: Points, fill: Colour) -> None:
        """A filled shape."""
        self.draw.polygon(_flat(self.project(points)), fill=fill)

    def line(self, points: Points, fill: Colour, width: float) -> None:
        """A line; width in metres at the target."""
        scale = self.camera.focal * self.camera.size[0] / self.camera.distance
        pixels = max(1, round(width * scale))
        self.draw.line(_flat(self.project(points)), fill=fill, width=pixels, joint="curve")

    def quads(self, corners: Points, colours: NDArray[np.uint8]) -> None:
        """Many quads, in the given order: corners (n, 4, 3), colours (n, 3)."""
        pixels = self.project(corners).reshape(len(corners), 8).tolist()
        fills: Sequence[Any] = [tuple(colour) for colour in colours.tolist()]
        polygon = self.draw.polygon
        for shape, fill in zip(pixels, fills, strict=True):
            polygon(shape, fill=fill)


def _flat(pixels: Points) -> list[float]:
    return [float(value) for value in pixels.reshape(-1)]
