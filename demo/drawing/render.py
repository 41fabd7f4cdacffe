"""Renders a scene to a picture, at any size, the same by the same scene."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from demo.drawing.backdrop import draw_backdrop, light_of
from demo.drawing.bodywork import Body, body_of
from demo.drawing.camera import Camera, Canvas
from demo.drawing.damage_drawing import axle_of, draw_damage, draw_debris, outline_of
from demo.drawing.scene import COLOURS, SITES, Damage, DamageKind, Scene, Severity
from demo.drawing.vehicle_drawing import draw_bodywork, draw_details, draw_underneath, draw_wheel, sides_seen

FULL_WIDTH = 640
SINKING: dict[Severity, float] = {"minor": 0.17, "moderate": 0.25, "severe": 0.33}


@dataclass(frozen=True)
class Region:
    """Where a damage shows: a box as shares of the picture's width and height."""

    kind: DamageKind
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Rendering:
    """The picture and where in it the damages are."""

    image: Image.Image
    regions: tuple[Region, ...]


def render(scene: Scene, *, width: int = FULL_WIDTH, oversample: int = 2) -> Rendering:
    """Draws the scene; width in pixels, three quarters as high, drawn `oversample` times larger and reduced."""
    size = (width * oversample, width * oversample * 3 // 4)
    generator = np.random.default_rng(scene.seed)
    body = body_of(scene.vehicle.body)
    camera = _camera(scene, body, size, generator)
    light = light_of(scene.background, scene.lighting)
    picture = draw_backdrop(size, camera.horizon, scene.background, scene.lighting, generator)
    _shadow(picture, camera, body, scene)
    lowered, flat = _lowered(scene, body)
    draw = ImageDraw.Draw(picture, "RGBA")
    canvas = Canvas(draw, camera, size[0] / FULL_WIDTH, lowered)
    on_ground = Canvas(draw, camera, size[0] / FULL_WIDTH, (0.0, 0.0))
    colour = _shifted(COLOURS[scene.vehicle.colour], generator)
    for damage in scene.damages:
        draw_debris(on_ground, body, damage)
    draw_underneath(canvas, body)
    draw_bodywork(canvas, body, colour, light)
    draw_details(canvas, body, colour, light)
    if sides_seen(scene.azimuth)[0]:
        for axle in (body.rear_axle, body.front_axle):
            squash = flat[1] if flat and flat[0] == axle else 0.0
            draw_wheel(canvas, body, axle, scene.vehicle.rim, squash=squash)
    for damage in scene.damages:
        draw_damage(canvas, body, scene.vehicle, damage, light)
    picture = picture.resize((width, width * 3 // 4), Image.Resampling.BOX)
    finished = _develop(picture, scene, generator)
    regions = tuple(_region(canvas, body, damage, size) for damage in scene.damages)
    return Rendering(finished, regions)


def _camera(scene: Scene, body: Body, size: tuple[int, int], generator: np.random.Generator) -> Camera:
    """Frames the vehicle, moved towards the worst damage as the zoom grows, with every damage in the picture."""
    height = float(generator.uniform(1.25, 1.9))
    roll = float(generator.normal(0, 0.018))
    centre = np.array([0.0, float(body.outline[:, 1].max()) * 0.46, 0.0])
    base = Camera(scene.azimuth, 7.2, height, tuple(centre), 1.0, roll, scene.mirrored, size)
    corners = _bounds(body)
    extent = np.ptp(base.project(corners), axis=0) / np.array(size)
    focal = min(0.86 / float(extent[0]), 0.7 / float(extent[1]))
    site = SITES[scene.view][int(generator.integers(len(SITES[scene.view])))]
    looked_at = scene.damages[0] if scene.damages else Damage(_any_kind(site.part), site, "severe", 0)
    spot = outline_of(body, looked_at).mean(axis=0)
    nudge = generator.normal(0, 0.1, 3) * (1, 0.5, 0)
    outlines = [outline_of(body, damage) for damage in scene.damages]
    for zoom in np.linspace(scene.zoom, 1.0, 6):
        towards = min(1.0, (zoom - 1) / 0.6) * 0.8
        target = centre + (spot - centre) * towards + nudge
        camera = replace(base, target=(float(target[0]), float(target[1]), float(target[2])), focal=focal * zoom)
        pixels = [camera.project(outline) / np.array(size) for outline in outlines]
        if all((share > 0.03).all() and (share < 0.97).all() for share in pixels):
            break
    return camera


def _any_kind(part: str) -> DamageKind:
    kinds: dict[str, DamageKind] = {"window": "glass_shatter", "lamp": "lamp_broken", "wheel": "tire_flat"}
    return kinds.get(part, "dent")


def _bounds(body: Body) -> NDArray[np.float64]:
    x0, x1 = body.outline[0, 0], body.outline[-1, 0]
    half, top = body.width / 2, float(body.outline[:, 1].max())
    return np.array([[x, y, z] for x in (x0, x1) for y in (0.0, top) for z in (-half, half)])


def _lowered(scene: Scene, body: Body) -> tuple[tuple[float, float], tuple[float, float] | None]:
    """How the body sinks over a flat tyre: (slope, offset), and (axle, metres) of the flat tyre."""
    for damage in scene.damages:
        if damage.kind == "tire_flat":
            axle = axle_of(body, damage.site.place)
            other = body.rear_axle if axle == body.front_axle else body.front_axle
            drop = SINKING[damage.severity] * body.wheel_radius
            slope = -drop / (axle - other)
            return (slope, -slope * other), (axle, drop)
    return (0.0, 0.0), None


def _shadow(picture: Image.Image, camera: Camera, body: Body, scene: Scene) -> None:
    """The soft dark patch under the vehicle."""
    x0, x1 = body.outline[0, 0] - 0.05, body.outline[-1, 0] + 0.05
    half = body.width / 2 + 0.12
    ground = np.array([[x0, 0, -half], [x1, 0, -half], [x1, 0, half], [x0, 0, half]])
    small = (picture.width // 8, picture.height // 8)
    mask = Image.new("L", small)
    pixels = camera.project(ground) / 8
    draw = ImageDraw.Draw(mask)
    draw.polygon([float(value) for value in pixels.reshape(-1)], fill=200 if scene.lighting == "day" else 165)
    mask = mask.filter(ImageFilter.GaussianBlur(small[0] / 70)).resize(picture.size, Image.Resampling.BILINEAR)
    picture.paste((10, 11, 16), (0, 0), mask)


def _shifted(colour: tuple[int, int, int], generator: np.random.Generator) -> tuple[int, int, int]:
    shift = generator.normal(0, 6, 3) + generator.normal(0, 5)
    red, green, blue = np.clip(np.array(colour) + shift, 12, 240)
    return int(red), int(green), int(blue)


def _develop(picture: Image.Image, scene: Scene, generator: np.random.Generator) -> Image.Image:
    """What light, weather and a camera do to the picture."""
    width, height = picture.size
    if scene.lighting == "rain":
        _rain(picture, generator)
    pixels = np.asarray(picture, np.float32)
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    radius = across**2 + down**2
    if scene.lighting == "night":
        pool = 0.3 + 0.62 * np.exp(-radius / 0.75)
        tint = np.array((0.9, 0.94, 1.1), np.float32)
    else:
        pool = 1.03 - 0.1 * radius
        tints = {"day": (1.0, 1.0, 1.0), "dusk": (1.06, 0.92, 0.84), "rain": (0.84, 0.88, 0.93)}
        tint = np.array(tints[scene.lighting], np.float32)
        if scene.background == "garage":
            tint = tint * np.array((0.97, 0.97, 0.92), np.float32)
    exposure = float(generator.normal(1.0, 0.05))
    # One grain for the three channels; weaker in a small picture, as it is in a large one made small.
    grain = generator.standard_normal((height, width), dtype=np.float32) * (3.6 if width >= 400 else 1.2)
    pixels = pixels * (pool * exposure)[..., None] * tint + grain[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _rain(picture: Image.Image, generator: np.random.Generator) -> None:
    width, height = picture.size
    draw = ImageDraw.Draw(picture, "RGBA")
    length = height * 0.07
    for x, y in generator.uniform(0, 1, (130, 2)):
        start = (float(x * width * 1.1), float(y * height))
        end = (start[0] - length * 0.25, start[1] + length)
        draw.line([start, end], fill=(224, 230, 238, 80), width=max(1, width // 420))


def _region(canvas: Canvas, body: Body, damage: Damage, size: tuple[int, int]) -> Region:
    pixels = canvas.project(outline_of(body, damage)) / np.array(size)
    (left, top), (right, bottom) = pixels.min(axis=0), pixels.max(axis=0)
    if not all(math.isfinite(value) for value in (left, top, right, bottom)):
        raise ValueError(f"the {damage.kind} at {damage.site.place} cannot be projected")
    return Region(damage.kind, float(left), float(top), float(right), float(bottom))
