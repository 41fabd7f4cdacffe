"""The shape of each vehicle in metres: an outline in profile, given width, curvature and lean.

Axes: x forward, y up from the ground, z towards the near side. Every surface is a function from two
coordinates to points, so that whatever is drawn on it falls into perspective by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from demo.drawing.scene import BodyType

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Body:
    """One body type: its smoothed profile outline, rear to front, and the places on it."""

    outline: Points
    width: float
    belt: float
    lean: float
    rear_axle: float
    front_axle: float
    wheel_radius: float
    windscreen: tuple[float, float]
    rear_window: tuple[float, float]
    side_windows: tuple[tuple[float, float], ...]
    door_seams: tuple[float, ...]
    front_lamp: tuple[float, float]
    rear_lamp: tuple[float, float]
    box: bool

    @property
    def length(self) -> float:
        """Metres from bumper to bumper."""
        return float(self.outline[-1, 0] - self.outline[0, 0])

    @property
    def sill(self) -> float:
        """Height of the lower edge of the bodywork."""
        return float(self.outline[0, 1])

    def top(self, x: Points) -> Points:
        """Height of the outline at x."""
        return np.asarray(np.interp(x, self.outline[:, 0], self.outline[:, 1]))

    def half_width(self, x: Points, y: Points) -> Points:
        """Distance of the side from the middle: rounded in plan, bulging below the belt, leaning in above."""
        centre = (self.outline[0, 0] + self.outline[-1, 0]) / 2
        along = np.abs((x - centre) / (self.length / 2))
        plan = 1 - (0.07 if self.box else 0.13) * along**6
        waist = (self.belt + self.sill) / 2
        bulge = 1 - 0.05 * ((y - waist) / 0.4) ** 2
        bulge = np.where(y > self.belt, 1 - 0.05 * ((self.belt - waist) / 0.4) ** 2, bulge)
        half: Points = self.width / 2 * plan * bulge - self.lean * np.maximum(y - self.belt, 0)
        return half

    def side(self, x: Points, y: Points) -> Points:
        """Points of the near side, shape (..., 3)."""
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        return np.stack([x, y, self.half_width(x, y)], axis=-1)

    def over(self, x: Points, w: Points) -> Points:
        """Points of the surface that runs over the outline; w from -1 (far side) to 1 (near side)."""
        x, w = np.broadcast_arrays(np.asarray(x, float), np.asarray(w, float))
        y = self.top(x)
        return np.stack([x, y, w * self.half_width(x, y)], axis=-1)

    def end(self, y: Points, w: Points, *, front: bool) -> Points:
        """Points of the front or rear face by height and w, found on the outline's steep end."""
        y, w = np.broadcast_arrays(np.asarray(y, float), np.asarray(w, float))
        outline = self.outline[::-1] if front else self.outline
        peak = int(np.argmax(outline[:, 1]))
        x = np.interp(y, outline[: peak + 1, 1], outline[: peak + 1, 0])
        return np.stack([x, y, w * self.half_width(x, y)], axis=-1)


def _smooth(points: list[tuple[float, float]]) -> Points:
    """Corner cutting after Chaikin (1974), twice; it keeps x increasing."""
    line = np.array(points)
    for _ in range(2):
        first, second = line[:-1], line[1:]
        cut = np.empty((2 * len(first), 2))
        cut[0::2] = 0.75 * first + 0.25 * second
        cut[1::2] = 0.25 * first + 0.75 * second
        line = np.vstack([line[:1], cut, line[-1:]])
    return line


@lru_cache
def body_of(body_type: BodyType) -> Body:
    """The body of a type."""
    return {"sedan": _sedan, "hatchback": _hatchback, "SUV": _suv, "van": _van, "pickup": _pickup}[body_type]()


def _sedan() -> Body:
    return Body(
        outline=_smooth(
            [(-2.26, 0.26), (-2.25, 0.55), (-2.2, 0.8), (-2.12, 0.98), (-1.55, 1.04), (-0.85, 1.4), (-0.3, 1.46),
             (0.25, 1.42), (1.02, 1.0), (1.85, 0.86), (2.16, 0.72), (2.24, 0.48), (2.26, 0.24)]
        ),
        width=1.8, belt=0.96, lean=0.42, rear_axle=-1.36, front_axle=1.36, wheel_radius=0.33,
        windscreen=(0.3, 0.98), rear_window=(-1.5, -0.85),
        side_windows=((-1.2, -0.42), (-0.34, 0.72)), door_seams=(-1.0, -0.38, 0.82),
        front_lamp=(0.58, 0.78), rear_lamp=(0.72, 0.92), box=False,
    )  # fmt: skip


def _hatchback() -> Body:
    return Body(
        outline=_smooth(
            [(-1.94, 0.26), (-1.93, 0.55), (-1.9, 0.8), (-1.84, 1.0), (-1.52, 1.42), (-1.2, 1.5), (-0.3, 1.53),
             (0.2, 1.48), (0.92, 1.04), (1.56, 0.9), (1.84, 0.76), (1.93, 0.5), (1.95, 0.24)]
        ),
        width=1.76, belt=0.99, lean=0.38, rear_axle=-1.2, front_axle=1.2, wheel_radius=0.32,
        windscreen=(0.26, 0.88), rear_window=(-1.82, -1.5),
        side_windows=((-1.46, -0.5), (-0.42, 0.66)), door_seams=(-0.94, -0.46, 0.78),
        front_lamp=(0.6, 0.82), rear_lamp=(0.74, 1.0), box=False,
    )  # fmt: skip


def _suv() -> Body:
    return Body(
        outline=_smooth(
            [(-2.2, 0.38), (-2.19, 0.7), (-2.17, 1.0), (-2.1, 1.22), (-1.92, 1.64), (-1.6, 1.76), (-0.3, 1.8),
             (0.3, 1.75), (0.92, 1.24), (1.85, 1.12), (2.12, 0.98), (2.2, 0.66), (2.22, 0.36)]
        ),
        width=1.9, belt=1.16, lean=0.26, rear_axle=-1.34, front_axle=1.36, wheel_radius=0.4,
        windscreen=(0.36, 0.9), rear_window=(-2.06, -1.86),
        side_windows=((-1.86, -1.2), (-1.12, -0.4), (-0.32, 0.72)), door_seams=(-1.06, -0.36, 0.82),
        front_lamp=(0.82, 1.02), rear_lamp=(0.84, 1.14), box=False,
    )  # fmt: skip


def _van() -> Body:
    return Body(
        outline=_smooth(
            [(-2.46, 0.34), (-2.45, 0.8), (-2.44, 1.4), (-2.42, 1.95), (-2.3, 2.1), (-1.6, 2.13), (0.8, 2.12),
             (1.06, 2.04), (1.76, 1.2), (2.2, 1.05), (2.4, 0.86), (2.46, 0.56), (2.48, 0.32)]
        ),
        width=1.96, belt=1.2, lean=0.1, rear_axle=-1.5, front_axle=1.55, wheel_radius=0.36,
        windscreen=(1.06, 1.72), rear_window=(-2.435, -2.42),
        side_windows=((0.62, 1.5),), door_seams=(-0.7, 0.5, 1.55),
        front_lamp=(0.74, 0.98), rear_lamp=(0.8, 1.3), box=True,
    )  # fmt: skip


def _pickup() -> Body:
    return Body(
        outline=_smooth(
            [(-2.56, 0.46), (-2.55, 0.75), (-2.54, 1.0), (-2.5, 1.16), (-2.4, 1.18), (-0.86, 1.18), (-0.8, 1.2),
             (-0.62, 1.66), (-0.4, 1.78), (0.5, 1.78), (1.12, 1.24), (2.15, 1.14), (2.44, 1.0), (2.53, 0.7),
             (2.55, 0.42)]
        ),
        width=1.92, belt=1.16, lean=0.24, rear_axle=-1.55, front_axle=1.58, wheel_radius=0.41,
        windscreen=(0.56, 1.1), rear_window=(-0.78, -0.62),
        side_windows=((-0.56, 0.1), (0.18, 0.94)), door_seams=(-0.72, 0.14, 1.04),
        front_lamp=(0.84, 1.04), rear_lamp=(0.78, 1.1), box=False,
    )  # fmt: skip
