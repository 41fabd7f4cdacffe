"""Draws damages where they sit on the vehicle, each the worse the more severe."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demo.drawing.bodywork import Body
from demo.drawing.camera import Canvas, Colour
from demo.drawing.paint import Light, grid_quads, normals_of, shade
from demo.drawing.scene import COLOURS, SEVERITIES, Damage, Vehicle
from demo.drawing.vehicle_drawing import lamp_shape, pane_over, rear_box_pane, side_pane

Points = NDArray[np.float64]
Surface = Callable[[Points, Points], Points]


@dataclass(frozen=True)
class Chart:
    """Metres (u, v) around a place on the bodywork, and how far the panel reaches each way."""

    surface: Surface
    reach: tuple[float, float]

    def points(self, line: Points) -> Points:
        """Points (n, 3) of a line (n, 2) of metres."""
        reach_u, reach_v = self.reach
        return self.surface(np.clip(line[:, 0], -reach_u, reach_u), np.clip(line[:, 1], -reach_v, reach_v))


def chart_of(body: Body, place: str) -> Chart:
    """The chart of a place of bodywork."""
    middle = (body.sill + body.belt) / 2 + 0.04
    half = (body.belt - body.sill) / 2 - 0.03
    if place in ("front near", "front far", "rear near", "rear far"):
        front = place.startswith("front")
        w0 = 0.42 if place.endswith("near") else -0.42
        low = body.front_lamp[0] if front else body.rear_lamp[0]
        height = body.sill + 0.62 * (low - body.sill)
        half_width = body.width / 2
        turn = -1 if front else 1

        def end(u: Points, v: Points) -> Points:
            return body.end(height + v, w0 + turn * u / half_width, front=front)

        return Chart(end, (0.46, 0.25))
    seams = body.door_seams
    if place == "front wing":
        x0, reach = body.front_axle + 0.5, 0.36
    elif place == "rear wing":
        x0, reach = body.rear_axle - 0.5, 0.36
    elif place == "front door":
        x0, reach = (seams[-2] + seams[-1]) / 2, (seams[-1] - seams[-2]) / 2 + 0.12
    else:
        x0, reach = (seams[-3] + seams[-2]) / 2 + 0.06, (seams[-2] - seams[-3]) / 2 + 0.16
    x0 = min(max(x0, body.outline[0, 0] + 0.4), body.outline[-1, 0] - 0.4)

    def side(u: Points, v: Points) -> Points:
        return body.side(x0 + u, middle + v)

    return Chart(side, (reach, half))


def pane_of(body: Body, place: str) -> Points:
    """The outline of a pane that can break, (n, 3)."""
    if place == "windscreen":
        return pane_over(body, *body.windscreen, 0.86)
    if place == "rear window":
        return rear_box_pane(body, 0.08, 0.8) if body.box else pane_over(body, *body.rear_window, 0.82)
    return side_pane(body, *body.side_windows[-1])


def lamp_of(body: Body, place: str) -> Points:
    """The outline of a lamp, (n, 3)."""
    return lamp_shape(body, 1 if place.endswith("near") else -1, front=place.startswith("front"))


def axle_of(body: Body, place: str) -> float:
    """Where along the vehicle a wheel stands."""
    return body.front_axle if place == "front wheel" else body.rear_axle


def outline_of(body: Body, damage: Damage) -> Points:
    """Points around what a damage covers, for framing it and for locating it in the picture."""
    site = damage.site
    if site.part == "window":
        return pane_of(body, site.place)
    if site.part == "lamp":
        return lamp_of(body, site.place)
    if site.part == "wheel":
        axle, radius = axle_of(body, site.place), body.wheel_radius
        corners = [(-radius, 0), (radius, 0), (radius, 2 * radius), (-radius, 2 * radius)]
        return np.array([[axle + dx, y, body.width * 0.48] for dx, y in corners])
    chart = chart_of(body, site.place)
    share = (0.6, 0.8, 1.0)[SEVERITIES.index(damage.severity)]
    u, v = chart.reach[0] * share, chart.reach[1] * share
    return chart.points(np.array([(-u, -v), (u, -v), (u, v), (-u, v)]))


def draw_damage(canvas: Canvas, body: Body, vehicle: Vehicle, damage: Damage, light: Light) -> None:
    """Draws one damage; a flat tyre is part of the wheel and drawn with it."""
    generator = np.random.default_rng(damage.seed)
    level = SEVERITIES.index(damage.severity)
    place = damage.site.place
    paint = COLOURS[vehicle.colour]
    if damage.kind == "dent":
        _dent(canvas, chart_of(body, place), paint, level=level, light=light, generator=generator)
    elif damage.kind == "scratch":
        _scratch(canvas, chart_of(body, place), paint, level, generator)
    elif damage.kind == "crack":
        _crack(canvas, chart_of(body, place), level, generator)
    elif damage.kind == "glass_shatter":
        _glass(canvas, pane_of(body, place), level, generator)
    elif damage.kind == "lamp_broken":
        _lamp(canvas, lamp_of(body, place), level, generator)


def _dent(
    canvas: Canvas,
    chart: Chart,
    paint: tuple[int, int, int],
    *,
    level: int,
    light: Light,
    generator: np.random.Generator,
) -> None:
    """Bodywork pushed in: the panel's own surface, displaced and lit again."""
    reach_u, reach_v = chart.reach
    size = (0.6, 0.82, 1.0)[level]
    radius_u, radius_v = min(reach_u, 0.42) * size, reach_v * size
    u0 = float(generator.uniform(-1, 1)) * (reach_u - radius_u) * 0.5
    cells = (20, 26, 32)[level]
    u, v = np.meshgrid(np.linspace(-1, 1, cells), np.linspace(-1, 1, cells))
    distance = np.sqrt(u**2 + v**2)
    bowl = np.where(distance < 1, (1 - distance**2) ** 2, 0.0)
    creases = np.zeros_like(u)
    for _ in range((1, 3, 7)[level]):
        angle, offset = generator.uniform(0, math.pi), generator.normal(0, 0.3)
        across = u * math.cos(angle) + v * math.sin(angle) - offset
        creases += generator.uniform(0.3, 1.0) * np.exp(-((across / 0.14) ** 2))
    depth = (0.075, 0.115, 0.17)[level] * bowl * (1 + (0.15, 0.35, 0.6)[level] * creases)
    points = chart.surface(u0 + u * radius_u, v * radius_v)
    flat = normals_of(grid_quads(points)).mean(axis=0)
    corners = grid_quads(points - depth[..., None] * flat)
    normals = normals_of(corners)
    towards = canvas.camera.eye - corners.mean(axis=1)
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    # The panel stands on the undented surface: only its light moves, so that nothing tears at the rim.
    hollow = grid_quads(np.repeat(bowl[..., None], 3, axis=2))[:, :, 0].mean(axis=1)
    colours = shade(normals, towards, paint, light).astype(float)
    side_lit = np.clip(1 + 1.1 * (normals[:, 1] - flat[1]), 0.3, 1.6)
    colours = colours * side_lit[:, None] * (1 - 0.4 * hollow)[:, None]
    colours += 45 * np.clip(normals[:, 1] - flat[1], 0, 1)[:, None]
    inside = hollow > 0.004
    canvas.quads(grid_quads(points)[inside], np.clip(colours, 0, 255).astype(np.uint8)[inside])
    if level == 2:
        for _ in range(4):
            angle = generator.uniform(0, math.pi)
            span = np.linspace(-0.6, 0.6, 6)
            line = np.stack([u0 + span * math.cos(angle) * radius_u, span * math.sin(angle) * radius_v], axis=1)
            line += generator.normal(0, 0.025, line.shape)
            canvas.line(chart.points(line), (12, 12, 14, 150), 0.016)


def _scratch(
    canvas: Canvas, chart: Chart, paint: tuple[int, int, int], level: int, generator: np.random.Generator
) -> None:
    """Paint torn off along nearly parallel lines, down to the primer; scrapes to bare metal when severe."""
    bright = sum(paint) > 420
    bare: Colour = (84, 72, 66) if bright else (226, 224, 218)
    edge: Colour = (50, 44, 40) if bright else (150, 146, 142)
    reach_u, reach_v = chart.reach
    slope = float(generator.uniform(-0.22, 0.22))
    count = (4, 8, 13)[level]
    spread = (0.34, 0.6, 0.92)[level] * reach_v
    if level == 2:
        for _ in range(3):
            v = float(generator.uniform(-0.6, 0.6)) * spread
            u = np.linspace(-0.85, 0.8, 12) * reach_u
            tall = 0.025 + 0.03 * generator.random(12)
            upper = np.stack([u, v + slope * u + tall], axis=1)
            lower = np.stack([u, v + slope * u - tall], axis=1)[::-1]
            canvas.polygon(chart.points(np.vstack([upper, lower])), (*edge, 190))
    for _ in range(count):
        centre = generator.uniform(-0.25, 0.25) * reach_u
        half = (0.62, 0.82, 1.0)[level] * reach_u * generator.uniform(0.6, 1.0)
        v = generator.uniform(-1, 1) * spread
        u = np.linspace(-1, 1, 14)
        wave = 0.012 * np.sin(u * generator.uniform(2, 6) + generator.uniform(0, 6))
        line = np.stack([centre + u * half, v + slope * u * half + wave], axis=1)
        width = generator.uniform(0.012, 0.022) * (1.0, 1.15, 1.4)[level]
        canvas.line(chart.points(line - np.array([0, 0.009])), (*edge, 170), width)
        canvas.line(chart.points(line), bare, width)


def _crack(canvas: Canvas, chart: Chart, level: int, generator: np.random.Generator) -> None:
    """A dark jagged gap that forks; a piece has broken out when severe."""
    reach_u, reach_v = chart.reach
    black: Colour = (8, 8, 9)
    size = (0.6, 0.85, 1.0)[level]
    lean = float(generator.choice((-1.0, 1.0)))
    steps = 9
    t = np.linspace(-1, 1, steps)
    trunk = np.stack([t * lean * reach_u * 0.5 * size, t * reach_v * size], axis=1)
    trunk += generator.normal(0, 0.035, trunk.shape)
    width = (0.034, 0.05, 0.066)[level]
    _gap(canvas, chart, trunk, width, black)
    for _ in range((2, 4, 6)[level]):
        start = trunk[int(generator.integers(2, steps - 1))]
        angle = generator.uniform(-0.7, 0.7) + (math.pi if generator.random() < 0.5 else 0)
        length = generator.uniform(0.4, 0.8) * reach_u * size
        reach = np.linspace(0, 1, 5)[:, None] * length
        branch = start + reach * np.array([math.cos(angle), math.sin(angle)])
        branch[1:] += generator.normal(0, 0.022, (4, 2))
        _gap(canvas, chart, branch, width * 0.62, black)
    if level == 2:
        angles = np.sort(generator.uniform(0, 2 * math.pi, 9))
        radius = generator.uniform(0.5, 1.0, 9)
        hole = np.stack([np.cos(angles) * radius * 0.19, np.sin(angles) * radius * 0.14], axis=1) + trunk[steps // 2]
        canvas.polygon(chart.points(hole * 1.0 + (0.008, 0.012)), (206, 204, 200))
        canvas.polygon(chart.points(hole), black)


def _gap(canvas: Canvas, chart: Chart, line: Points, width: float, fill: Colour) -> None:
    """A gap that narrows towards its end."""
    direction = np.gradient(line, axis=0)
    normal = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    taper = width / 2 * np.linspace(1, 0.25, len(line))[:, None]
    shape = np.vstack([line + normal * taper, (line - normal * taper)[::-1]])
    canvas.polygon(chart.points(shape + np.array([0.006, 0.008])), (200, 198, 194, 110))
    canvas.polygon(chart.points(shape), fill)
    canvas.line(chart.points(line), fill, width * 0.3)


def _glass(canvas: Canvas, pane: Points, level: int, generator: np.random.Generator) -> None:
    """A web of white breaks around the blow; a hole with jagged rims when severe."""
    shape = canvas.project(pane)
    centre = shape.mean(axis=0)
    spans = shape - centre
    blow = centre + spans[int(generator.integers(len(spans)))] * generator.uniform(0.05, 0.3)
    rays = (13, 17, 21)[level]
    angles = np.sort(np.linspace(0, 2 * math.pi, rays, endpoint=False) + generator.normal(0, 0.08, rays))
    edge = np.array([_to_edge(blow, angle, shape) for angle in angles])
    reach = (0.62, 0.96, 0.98)[level]
    rim = blow + (edge - blow) * reach * (generator.uniform(0.7, 1, (rays, 1)) if level == 0 else 1.0)
    unit = canvas.unit
    white = (236, 243, 247, 255)
    frost = (220, 232, 238, (70, 110, 140)[level])
    canvas.draw.polygon([float(value) for value in rim.reshape(-1)], fill=frost)
    thick = max(1, round(unit * (1.5, 1.9, 2.1)[level]))
    for ring in (0.16, 0.34, 0.54, 0.76, 0.95)[: (4, 5, 5)[level]]:
        jitter = generator.uniform(0.86, 1.1, (rays, 1))
        loop = blow + (rim - blow) * ring * jitter
        canvas.draw.line([float(v) for v in np.vstack([loop, loop[:1]]).reshape(-1)], fill=white, width=thick)
    for end in rim:
        bend = (blow + end) / 2 + generator.normal(0, 2 * unit, 2)
        canvas.draw.line([*blow.tolist(), *bend.tolist(), *end.tolist()], fill=white, width=thick)
    if level == 2:
        jag = np.where(np.arange(rays) % 2 == 0, 0.72, 0.4)[:, None] * generator.uniform(0.85, 1.1, (rays, 1))
        hole = blow + (rim - blow) * jag
        canvas.draw.polygon([float(v) for v in (blow + (hole - blow) * 1.1).reshape(-1)], fill=white)
        canvas.draw.polygon([float(v) for v in hole.reshape(-1)], fill=(10, 11, 13, 255))
    else:
        spot = unit * (4, 6)[level]
        canvas.draw.ellipse([blow[0] - spot, blow[1] - spot, blow[0] + spot, blow[1] + spot], fill=white)


def _to_edge(start: Points, angle: float, shape: Points) -> Points:
    """Where a ray from inside a shape leaves it, in pixels."""
    direction = np.array([math.cos(angle), math.sin(angle)])
    first, second = shape, np.roll(shape, -1, axis=0)
    span = second - first
    cross = direction[0] * span[:, 1] - direction[1] * span[:, 0]
    cross = np.where(np.abs(cross) < 1e-9, 1e-9, cross)
    offset = first - start
    along = (offset[:, 0] * span[:, 1] - offset[:, 1] * span[:, 0]) / cross
    position = (offset[:, 0] * direction[1] - offset[:, 1] * direction[0]) / cross
    hits = along[(along > 0) & (position >= -1e-6) & (position <= 1 + 1e-6)]
    return start + direction * float(hits.min() if len(hits) else 0.0)


def _lamp(canvas: Canvas, lamp: Points, level: int, generator: np.random.Generator) -> None:
    """A lens knocked out: a dark hollow with shards left at its rim; bulb and wires hang out when severe."""
    shape = canvas.project(lamp)
    centre = shape.mean(axis=0)
    unit = canvas.unit
    count = 16
    angles = np.linspace(0, 2 * math.pi, count, endpoint=False) + generator.normal(0, 0.08, count)
    edge = np.array([_to_edge(centre, angle, shape) for angle in angles])
    jag = np.where(np.arange(count) % 2 == 0, 1.0, 0.6)[:, None]
    size = (0.9, 1.1, 1.42)[level]
    hole = centre + (edge - centre) * jag * size * generator.uniform(0.9, 1.1, (count, 1))
    canvas.draw.polygon([float(v) for v in (centre + (hole - centre) * 1.12).reshape(-1)], fill=(226, 230, 234, 255))
    canvas.draw.polygon([float(v) for v in hole.reshape(-1)], fill=(7, 7, 8, 255))
    for _ in range((3, 5, 8)[level]):
        tip = centre + (hole[int(generator.integers(count))] - centre) * generator.uniform(0.3, 0.75)
        foot = centre + (edge[int(generator.integers(count))] - centre) * 0.95
        shard = [*tip.tolist(), *foot.tolist(), foot[0] + 5 * unit, foot[1] + 3 * unit]
        canvas.draw.polygon(shard, fill=(196, 204, 210, 210))
    if level == 2:
        for wire in ((196, 60, 40, 255), (222, 196, 70, 255)):
            drop = centre + generator.normal(0, 3 * unit, 2) + (0, 26 * unit)
            middle = (centre + drop) / 2 + generator.normal(0, 5 * unit, 2)
            path = [*centre.tolist(), *middle.tolist(), *drop.tolist()]
            canvas.draw.line(path, fill=wire, width=max(1, round(2 * unit)))
        bulb = drop
        canvas.draw.ellipse(
            [bulb[0] - 5 * unit, bulb[1] - 5 * unit, bulb[0] + 5 * unit, bulb[1] + 5 * unit], fill=(240, 240, 225, 255)
        )


def draw_debris(canvas: Canvas, body: Body, damage: Damage) -> None:
    """Pieces on the ground under a severe break, drawn before the vehicle."""
    if damage.severity != "severe" or damage.kind in ("scratch", "dent"):
        return
    generator = np.random.default_rng(damage.seed + 1)
    centre = outline_of(body, damage).mean(axis=0)
    fill = {"tire_flat": (22, 22, 24), "crack": (46, 46, 50)}.get(damage.kind, (214, 226, 232))
    outward = centre - np.array([0.0, centre[1], 0.0])
    outward = outward / max(float(np.linalg.norm(outward)), 0.1)
    for _ in range(26):
        spot = np.array([centre[0], 0.0, centre[2]]) + outward * generator.uniform(0.05, 0.6)
        spot[[0, 2]] += generator.normal(0, 0.26, 2)
        angles = np.sort(generator.uniform(0, 2 * math.pi, 4))
        radius = generator.uniform(0.02, 0.06)
        piece = np.stack([spot[0] + radius * np.cos(angles), np.zeros(4), spot[2] + radius * np.sin(angles)], axis=1)
        canvas.polygon(piece, fill)
