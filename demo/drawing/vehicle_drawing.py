"""Draws an undamaged vehicle on a canvas."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from demo.drawing.bodywork import Body
from demo.drawing.camera import Canvas, Colour
from demo.drawing.paint import Light, grid_quads, normals_of, shade

Points = NDArray[np.float64]
GLASS = (46, 58, 68)
RUBBER = (24, 24, 26)


def sides_seen(azimuth: float) -> tuple[bool, bool, bool]:
    """Whether the near side, the front and the rear face the camera."""
    return 20 < azimuth < 160, azimuth < 75, azimuth > 105


def paint_surface(canvas: Canvas, corners: Points, colour: tuple[int, int, int], light: Light) -> None:
    """Quads of painted bodywork, those facing away left out."""
    normals = normals_of(corners)
    towards = canvas.camera.eye - corners.mean(axis=1)
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    facing = np.sum(normals * towards, axis=1) > 0
    if facing.any():
        canvas.quads(corners[facing], shade(normals[facing], towards[facing], colour, light))


def draw_underneath(canvas: Canvas, body: Body) -> None:
    """What lies behind and below the near side: far wheels, the near wheels' treads, darkness."""
    low, high = body.sill * 0.7, body.sill + 0.2
    for z in (-body.width * 0.36, body.width * 0.38):
        x0, x1 = body.outline[0, 0] + 0.3, body.outline[-1, 0] - 0.3
        canvas.polygon(np.array([[x0, low, z], [x1, low, z], [x1, high, z], [x0, high, z]]), (14, 14, 16))
    for x in (body.outline[0, 0] + 0.2, body.outline[-1, 0] - 0.2):
        z = body.width * 0.36
        canvas.polygon(np.array([[x, low, -z], [x, low, z], [x, high, z], [x, high, -z]]), (16, 16, 18))
    radius = body.wheel_radius
    nearest_last = (
        (body.front_axle, body.rear_axle) if canvas.camera.azimuth > 90 else (body.rear_axle, body.front_axle)
    )
    for axle in nearest_last:
        for side in (-1, 1):
            for share in np.linspace(0.3, 0.45, 14).tolist():
                tone = int(20 + 30 * (0.45 - share))
                tread = _circle(axle, radius, radius, side * body.width * share)
                tread[:, 1] = np.maximum(tread[:, 1], _ground_at(canvas, axle))
                canvas.polygon(tread, (tone, tone, tone + 2))


def draw_bodywork(canvas: Canvas, body: Body, colour: tuple[int, int, int], light: Light) -> None:
    """The painted shell: the surface over the outline, then the near side."""
    outline = body.outline
    across = np.linspace(-1, 1, 9)
    over = body.over(outline[:, 0][:, None], across[None, :])
    over[..., 1] -= 0.035 * across[None, :] ** 6 * (outline[:, 1][:, None] > body.belt)
    strips = grid_quads(over)
    far_first = np.argsort(-np.linalg.norm(strips.mean(axis=1) - canvas.camera.eye, axis=1))
    paint_surface(canvas, strips[far_first], colour, light)
    columns = np.unique(np.concatenate([outline[:, 0], np.linspace(outline[0, 0], outline[-1, 0], 28)]))
    top = body.top(columns)
    belt = np.minimum(top, body.belt)
    rows = [body.sill + (belt - body.sill) * step for step in np.linspace(0, 1, 8)]
    rows += [belt + (top - belt) * step for step in np.linspace(0, 1, 4)[1:]]
    grid = body.side(columns[None, :], np.stack(rows))
    paint_surface(canvas, grid_quads(grid), colour, light)


def draw_details(canvas: Canvas, body: Body, colour: tuple[int, int, int], light: Light) -> None:
    """Windows, seams, handles, lamps, grille, plates and mirrors."""
    side, front, rear = sides_seen(canvas.camera.azimuth)
    dark: Colour = tuple(int(channel * 0.4) for channel in colour)
    pane = _tinted(light)
    canvas.polygon(pane_over(body, *body.windscreen, 0.86), pane)
    _streak(canvas, pane_over(body, *body.windscreen, 0.86), light)
    if rear and body.rear_window[1] > body.rear_window[0]:
        if body.box:
            for w0, w1 in ((-0.8, -0.08), (0.08, 0.8)):
                canvas.polygon(rear_box_pane(body, w0, w1), pane)
        else:
            canvas.polygon(pane_over(body, *body.rear_window, 0.82), pane)
            _streak(canvas, pane_over(body, *body.rear_window, 0.82), light)
    if side:
        _draw_side(canvas, body, colour, dark=dark, pane=pane, light=light)
    if front:
        _draw_front(canvas, body)
    if rear:
        _draw_rear(canvas, body, dark)


def _draw_side(
    canvas: Canvas, body: Body, colour: tuple[int, int, int], *, dark: Colour, pane: Colour, light: Light
) -> None:
    for x0, x1 in body.side_windows:
        shape = side_pane(body, x0, x1)
        canvas.polygon(shape, pane)
        _streak(canvas, shape, light)
    for seam in body.door_seams:
        top = min(float(body.top(np.array(seam))) - 0.06, body.belt + 0.02)
        canvas.line(body.side(np.full(7, seam), np.linspace(body.sill + 0.08, top, 7)), dark, 0.014)
    first, last = body.door_seams[0], body.door_seams[-1]
    sill = np.linspace(first, last, 9)
    canvas.line(body.side(sill, np.full(9, body.sill + 0.08)), dark, 0.014)
    crease = np.linspace(body.outline[0, 0] + 0.2, body.outline[-1, 0] - 0.25, 24)
    canvas.line(body.side(crease, np.full(24, body.belt - 0.2)), (*dark, 150), 0.012)
    for seam in body.door_seams[1:]:
        handle = np.linspace(seam - 0.26, seam - 0.1, 4)
        canvas.line(body.side(handle, np.full(4, body.belt - 0.09)), dark, 0.035)
        canvas.line(body.side(handle, np.full(4, body.belt - 0.08)), (190, 194, 198), 0.016)
    mirror = np.array([[0.0, 0.0], [0.17, 0.01], [0.15, 0.13], [0.03, 0.14]])
    x = body.side_windows[-1][1] - 0.2 + mirror[:, 0]
    points = body.side(x, body.belt + mirror[:, 1])
    points[:, 2] += 0.16
    canvas.polygon(points, dark)
    points[:, 1] += 0.012
    canvas.polygon(points, tuple(int(channel * 0.8) for channel in colour))


def _draw_front(canvas: Canvas, body: Body) -> None:
    low, high = body.front_lamp
    grille_low, grille_high = low - 0.02, high - 0.04
    canvas.polygon(end_box(body, grille_low, grille_high, -0.44, 0.44, front=True), (22, 22, 25))
    for height in np.linspace(grille_low + 0.03, grille_high - 0.03, 4):
        canvas.line(body.end(np.full(5, height), np.linspace(-0.42, 0.42, 5), front=True), (120, 124, 128), 0.012)
    intake = end_box(body, body.sill + 0.06, body.sill + 0.16, -0.6, 0.6, front=True)
    canvas.polygon(intake, (26, 26, 29))
    for w in (-1, 1):
        draw_lamp(canvas, body, w, front=True)
    _draw_plate(canvas, body, (low + body.sill) / 2 + 0.06, front=True)
    wipers = pane_over(body, *body.windscreen, 0.84)
    canvas.line(wipers[[len(wipers) // 2, len(wipers) // 2 + 1]], (14, 14, 14), 0.02)


def _draw_rear(canvas: Canvas, body: Body, dark: Colour) -> None:
    for w in (-1, 1):
        draw_lamp(canvas, body, w, front=False)
    low = body.rear_lamp[0]
    canvas.line(body.end(np.full(7, low - 0.06), np.linspace(-0.9, 0.9, 7), front=False), dark, 0.014)
    bumper = end_box(body, body.sill, body.sill + 0.1, -0.86, 0.86, front=False)
    canvas.polygon(bumper, (30, 30, 33))
    if body.box:
        canvas.line(body.end(np.linspace(0.5, 1.9, 6), np.zeros(6), front=False), dark, 0.02)
    _draw_plate(canvas, body, low if not body.box else low - 0.16, front=False)


def draw_lamp(canvas: Canvas, body: Body, w: int, *, front: bool) -> None:
    """A head lamp or a rear lamp; w is 1 on the near side, -1 on the far side."""
    shape = lamp_shape(body, w, front=front)
    if front:
        canvas.polygon(shape, (206, 214, 222))
        centre = shape.mean(axis=0)
        canvas.polygon(centre + (shape - centre) * 0.72, (236, 241, 246))
        canvas.polygon(centre + (shape - centre) * 0.36, (255, 255, 255))
        canvas.line(np.vstack([shape, shape[:1]]), (60, 64, 70), 0.014)
    else:
        canvas.polygon(shape, (168, 14, 18))
        centre = shape.mean(axis=0)
        canvas.polygon(centre + (shape - centre) * 0.7, (214, 34, 34))
        canvas.polygon(centre + (shape - centre) * 0.34, (250, 116, 84))
        canvas.line(np.vstack([shape, shape[:1]]), (60, 8, 10), 0.012)


def lamp_shape(body: Body, w: int, *, front: bool) -> Points:
    """The lamp's outline on the end of the vehicle, (n, 3)."""
    low, high = body.front_lamp if front else body.rear_lamp
    if front:
        inner, outer = 0.5, 0.97
        heights = np.array([low + 0.02, low, low + 0.04, high, high - 0.02, high - 0.06])
        across = np.array([inner + 0.03, 0.8, outer, outer, 0.75, inner])
    else:
        inner, outer = (0.62, 0.97) if not body.box else (0.8, 0.98)
        heights = np.array([low, low, (low + high) / 2, high, high])
        across = np.array([inner + 0.04, outer - 0.02, outer, outer - 0.02, inner])
    return body.end(heights, w * across, front=front)


def draw_wheel(canvas: Canvas, body: Body, axle: float, rim: int, *, squash: float = 0.0) -> None:
    """A near wheel in its arch; `squash` is how many metres of tyre have gone flat."""
    radius, z = body.wheel_radius, body.width * 0.475
    arch = _circle(axle, radius * 1.02, radius + 0.075, z + 0.02)
    arch = arch[arch[:, 1] > body.sill - 0.02]
    canvas.polygon(arch, (9, 9, 11))
    height = radius
    tyre = _circle(axle, height, radius, z)
    if squash:
        ground = _ground_at(canvas, axle)
        below = np.clip((ground + radius * 0.6 - tyre[:, 1]) / (radius * 0.6), 0, 1)
        tyre[:, 0] += (tyre[:, 0] - axle) * below * squash / radius * 1.9
        tyre[:, 1] = np.maximum(tyre[:, 1], ground)
    canvas.polygon(tyre, RUBBER)
    canvas.polygon(_circle(axle, height, radius * 0.68, z + 0.005), (58, 60, 63))
    canvas.polygon(_circle(axle, height, radius * 0.64, z + 0.006), (168, 172, 177))
    spokes = (5, 7, 10)[rim]
    for index in range(spokes):
        angle = 2 * math.pi * (index + 0.5) / spokes
        wedge = np.array([[0.2, angle - 0.1], [0.58, angle - 0.36 * 5 / spokes], [0.58, angle + 0.36 * 5 / spokes]])
        x = axle + radius * wedge[:, 0] * np.cos(wedge[:, 1])
        y = height + radius * wedge[:, 0] * np.sin(wedge[:, 1])
        canvas.polygon(np.stack([x, y, np.full(3, z + 0.007)], axis=1), (52, 54, 58))
    canvas.polygon(_circle(axle, height, radius * 0.13, z + 0.008), (120, 124, 130))


def side_pane(body: Body, x0: float, x1: float) -> Points:
    """The outline of a side window, kept inside the roof and the pillars."""
    x = np.linspace(x0, x1, 14)
    top = np.maximum(body.top(x) - 0.1, body.belt + 0.04)
    upper = body.side(x, top)
    lower = body.side(np.array([x1, x0]), np.array([body.belt + 0.03] * 2))
    return np.vstack([upper, lower])


def pane_over(body: Body, x0: float, x1: float, w: float) -> Points:
    """The outline of a windscreen or rear window between two x; w is its half width as a share."""
    x = np.linspace(x0, x1, 8)
    return np.vstack([body.over(x, np.full(8, w)), body.over(x[::-1], np.full(8, -w))])


def rear_box_pane(body: Body, w0: float, w1: float) -> Points:
    """One of the two panes in a van's rear doors."""
    return end_box(body, 1.36, 1.84, w0, w1, front=False)


def end_box(body: Body, low: float, high: float, w0: float, w1: float, *, front: bool) -> Points:
    """A rectangle on the front or rear face."""
    heights = np.array([low, low, low, high, high, high])
    across = np.array([w0, (w0 + w1) / 2, w1, w1, (w0 + w1) / 2, w0])
    return body.end(heights, across, front=front)


def _draw_plate(canvas: Canvas, body: Body, height: float, *, front: bool) -> None:
    plate = end_box(body, height - 0.055, height + 0.055, -0.27, 0.27, front=front)
    canvas.polygon(plate, (238, 238, 228))
    for w in np.linspace(-0.2, 0.2, 7):
        mark = end_box(body, height - 0.03, height + 0.03, w - 0.018, w + 0.018, front=front)
        canvas.polygon(mark, (40, 42, 50))


def _ground_at(canvas: Canvas, x: float) -> float:
    """The ground's height in the vehicle's own coordinates, above 0 where it has sunk."""
    slope, offset = canvas.lowered
    return -slope * x - offset


def _circle(x: float, y: float, radius: float, z: float) -> Points:
    angle = np.linspace(0, 2 * math.pi, 37)[:-1]
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(36, z)], axis=1)


def _tinted(light: Light) -> Colour:
    return tuple(int(0.72 * glass + 0.24 * sky) for glass, sky in zip(GLASS, light.sky, strict=True))


def _streak(canvas: Canvas, shape: Points, light: Light) -> None:
    """The sky's reflection in a pane: a pale band across its upper part."""
    centre = shape.mean(axis=0)
    upper = shape[shape[:, 1] >= np.quantile(shape[:, 1], 0.45)]
    if len(upper) >= 3:
        band = centre + (upper - centre) * 0.88
        canvas.polygon(band, (*light.sky, 60))
