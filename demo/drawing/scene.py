"""What one demo photo shows, as plain data: the truth that rendering, captions and tests share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

T = TypeVar("T")
BodyType = Literal["sedan", "hatchback", "SUV", "van", "pickup"]
View = Literal["front", "front corner", "side", "rear corner", "rear"]
DamageKind = Literal["scratch", "dent", "crack", "glass_shatter", "lamp_broken", "tire_flat"]
Part = Literal["front", "rear", "door", "window", "lamp", "wheel"]
Severity = Literal["minor", "moderate", "severe"]
Background = Literal["street", "car park", "garage", "countryside", "snow"]
Lighting = Literal["day", "dusk", "night", "rain"]

BODY_TYPES: tuple[BodyType, ...] = ("sedan", "hatchback", "SUV", "van", "pickup")
COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (226, 227, 224),
    "black": (34, 35, 39),
    "silver": (150, 156, 163),
    "red": (176, 28, 30),
    "blue": (32, 74, 158),
    "green": (36, 104, 62),
    "yellow": (222, 178, 32),
    "orange": (208, 96, 26),
}
VIEWS: tuple[View, ...] = ("front", "front corner", "side", "rear corner", "rear")
DAMAGE_KINDS: tuple[DamageKind, ...] = (
    "scratch",
    "dent",
    "crack",
    "glass_shatter",
    "lamp_broken",
    "tire_flat",
)
PARTS: tuple[Part, ...] = ("front", "rear", "door", "window", "lamp", "wheel")
SEVERITIES: tuple[Severity, ...] = ("minor", "moderate", "severe")
BACKGROUNDS: tuple[Background, ...] = ("street", "car park", "garage", "countryside", "snow")
LIGHTINGS: tuple[Lighting, ...] = ("day", "dusk", "night", "rain")

# Degrees between the vehicle's forward axis and the camera.
AZIMUTHS: dict[View, tuple[float, float]] = {
    "front": (1.0, 12.0),
    "front corner": (32.0, 56.0),
    "side": (79.0, 101.0),
    "rear corner": (124.0, 148.0),
    "rear": (168.0, 179.0),
}


@dataclass(frozen=True)
class Site:
    """A place that can be damaged: its part, and the name the drawing knows it by."""

    part: Part
    place: str


# What a camera at each view can see well enough to claim for.
SITES: dict[View, tuple[Site, ...]] = {
    "front": (
        Site("front", "front near"),
        Site("front", "front far"),
        Site("window", "windscreen"),
        Site("lamp", "front lamp near"),
        Site("lamp", "front lamp far"),
    ),
    "front corner": (
        Site("front", "front near"),
        Site("door", "front door"),
        Site("door", "rear door"),
        Site("window", "windscreen"),
        Site("window", "side window"),
        Site("lamp", "front lamp near"),
        Site("wheel", "front wheel"),
    ),
    "side": (
        Site("front", "front wing"),
        Site("rear", "rear wing"),
        Site("door", "front door"),
        Site("door", "rear door"),
        Site("window", "side window"),
        Site("wheel", "front wheel"),
        Site("wheel", "rear wheel"),
    ),
    "rear corner": (
        Site("rear", "rear near"),
        Site("door", "front door"),
        Site("door", "rear door"),
        Site("window", "side window"),
        Site("lamp", "rear lamp near"),
        Site("wheel", "rear wheel"),
    ),
    "rear": (
        Site("rear", "rear near"),
        Site("rear", "rear far"),
        Site("window", "rear window"),
        Site("lamp", "rear lamp near"),
        Site("lamp", "rear lamp far"),
    ),
}
_BODYWORK: tuple[DamageKind, ...] = ("scratch", "dent", "crack")
DAMAGES_OF_PART: dict[Part, tuple[DamageKind, ...]] = {
    "front": _BODYWORK,
    "rear": _BODYWORK,
    "door": _BODYWORK,
    "window": ("glass_shatter",),
    "lamp": ("lamp_broken",),
    "wheel": ("tire_flat",),
}


@dataclass(frozen=True)
class Vehicle:
    """A vehicle as its owner would name it; `rim` and `plate` only vary the drawing."""

    body: BodyType
    colour: str
    rim: int
    plate: str


@dataclass(frozen=True)
class Damage:
    """One damage: what, where, how bad; `seed` decides its exact lines."""

    kind: DamageKind
    site: Site
    severity: Severity
    seed: int


@dataclass(frozen=True)
class Scene:
    """One photo. `azimuth` in degrees, `zoom` 1.0 shows the whole vehicle, `mirrored` shows its other side."""

    vehicle: Vehicle
    view: View
    azimuth: float
    zoom: float
    mirrored: bool
    background: Background
    lighting: Lighting
    damages: tuple[Damage, ...]
    seed: int

    @property
    def labels(self) -> frozenset[str]:
        """The damage kinds shown, or {'none'}."""
        return frozenset(damage.kind for damage in self.damages) or frozenset({"none"})

    @property
    def worst(self) -> Damage | None:
        """The worst damage; of equals the first, the one that the photo was taken for."""
        return max(self.damages, key=lambda damage: SEVERITIES.index(damage.severity), default=None)

    @property
    def severity(self) -> Severity | None:
        """The severity of the worst damage, None without damage."""
        return self.worst.severity if self.worst else None

    @property
    def part(self) -> Part | None:
        """The part with the worst damage, None without damage."""
        return self.worst.site.part if self.worst else None

    def as_dict(self) -> dict[str, object]:
        """The scene as JSON-ready values, for the truth file."""
        return {
            "body": self.vehicle.body,
            "colour": self.vehicle.colour,
            "view": self.view,
            "background": self.background,
            "lighting": self.lighting,
            "labels": sorted(self.labels),
            "severity": self.severity,
            "part": self.part,
            "damages": [
                {"kind": damage.kind, "part": damage.site.part, "severity": damage.severity} for damage in self.damages
            ],
        }


def pick(generator: np.random.Generator, options: tuple[T, ...]) -> T:
    """One of the options, all equally likely."""
    return options[int(generator.integers(len(options)))]


def random_vehicle(generator: np.random.Generator) -> Vehicle:
    """A vehicle of any body and colour."""
    letters = "".join(chr(65 + int(value)) for value in generator.integers(0, 26, size=3))
    return Vehicle(
        body=pick(generator, BODY_TYPES),
        colour=pick(generator, tuple(COLOURS)),
        rim=int(generator.integers(3)),
        plate=f"{letters} {int(generator.integers(100, 999))}",
    )


def random_damages(generator: np.random.Generator, view: View, count: int) -> tuple[Damage, ...]:
    """Up to `count` damages on different sites of this view; the first is the worst.

    Kinds are drawn evenly first and sites second, so that rare sites do not make rare kinds.
    """
    damages: list[Damage] = []
    free = list(SITES[view])
    kinds = list(DAMAGE_KINDS)
    while kinds and free and len(damages) < count:
        kind = kinds.pop(int(generator.integers(len(kinds))))
        sites = [site for site in free if kind in DAMAGES_OF_PART[site.part]]
        if not sites:
            continue
        site = pick(generator, tuple(sites))
        free.remove(site)
        severity = pick(generator, SEVERITIES)
        if damages:
            worst = SEVERITIES.index(damages[0].severity)
            severity = SEVERITIES[int(generator.integers(worst + 1))]
        damages.append(Damage(kind, site, severity, int(generator.integers(2**31))))
    return tuple(damages)


def random_scene(
    generator: np.random.Generator,
    *,
    vehicle: Vehicle | None = None,
    damage_count: int | None = None,
) -> Scene:
    """A scene drawn at random; a given vehicle is kept, and so is a given number of damages."""
    view = pick(generator, VIEWS)
    if damage_count is None:
        damage_count = int(generator.choice(4, p=(0.2, 0.46, 0.24, 0.1)))
    background = pick(generator, BACKGROUNDS)
    # It does not rain indoors.
    lighting = pick(generator, LIGHTINGS[:3] if background == "garage" else LIGHTINGS)
    return Scene(
        vehicle=vehicle or random_vehicle(generator),
        view=view,
        azimuth=float(generator.uniform(*AZIMUTHS[view])),
        zoom=float(generator.uniform(1.0, 1.75)),
        mirrored=bool(generator.integers(2)),
        background=background,
        lighting=lighting,
        damages=random_damages(generator, view, damage_count),
        seed=int(generator.integers(2**31)),
    )
