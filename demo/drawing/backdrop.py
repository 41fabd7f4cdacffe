"""Where the photo was taken: sky, ground and what stands around, for each background and lighting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from demo.drawing.paint import Light
from demo.drawing.scene import Background, Lighting

Rgb = tuple[int, int, int]

SKIES: dict[Lighting, tuple[Rgb, Rgb]] = {
    "day": ((92, 148, 214), (208, 226, 240)),
    "dusk": ((74, 62, 118), (250, 158, 86)),
    "night": ((12, 16, 34), (34, 40, 66)),
    "rain": ((112, 120, 130), (160, 166, 172)),
}
GROUNDS: dict[Background, tuple[Rgb, Rgb]] = {
    "street": ((112, 112, 114), (84, 84, 88)),
    "car park": ((146, 144, 140), (112, 110, 108)),
    "garage": ((150, 146, 138), (112, 108, 102)),
    "countryside": ((128, 148, 82), (140, 118, 84)),
    "snow": ((236, 240, 246), (214, 222, 232)),
}


@dataclass(frozen=True)
class Stage:
    """What a background is drawn on: pixels, the height of the horizon, whether it is night."""

    draw: ImageDraw.ImageDraw
    width: int
    height: int
    line: int
    night: bool
    generator: np.random.Generator


def light_of(background: Background, lighting: Lighting) -> Light:
    """The light on the vehicle."""
    near = GROUNDS[background][1]
    ground: Rgb = (int(near[0] * 0.5), int(near[1] * 0.5), int(near[2] * 0.5))
    if background == "garage":
        return Light((0.3, 1.0, 0.5), 0.62, 0.42, 0.35, (196, 196, 186), ground)
    if lighting == "day":
        return Light((0.35, 0.9, 0.6), 0.58, 0.5, 0.6, (208, 224, 240), ground)
    if lighting == "dusk":
        return Light((-0.8, 0.45, 0.6), 0.56, 0.5, 0.5, (228, 176, 150), ground)
    if lighting == "night":
        return Light((0.1, 0.5, 1.0), 0.66, 0.36, 0.5, (96, 104, 130), ground)
    return Light((0.1, 1.0, 0.3), 0.66, 0.26, 0.3, (168, 174, 182), ground)


def draw_backdrop(
    size: tuple[int, int], horizon: float, background: Background, lighting: Lighting, generator: np.random.Generator
) -> Image.Image:
    """The picture behind the vehicle; size and horizon in pixels."""
    width, height = size
    line = int(np.clip(horizon, height * 0.1, height * 0.7))
    far, near = GROUNDS[background]
    if background == "garage":
        top, bottom = (122, 124, 122), (176, 174, 166)
        line += int(height * 0.08)
    else:
        top, bottom = SKIES[lighting]
    picture = Image.new("RGB", size)
    picture.paste(_gradient(width, line, top, bottom), (0, 0))
    picture.paste(_gradient(width, height - line, far, near), (0, line))
    draw = ImageDraw.Draw(picture, "RGBA")
    if background != "garage" and lighting in ("day", "dusk"):
        _clouds(draw, width, line, lighting, generator)
    {
        "street": _street,
        "car park": _car_park,
        "garage": _garage,
        "countryside": _countryside,
        "snow": _snow,
    }[background](Stage(draw, width, height, line, lighting == "night", generator))
    return picture


def _gradient(width: int, height: int, top: Rgb, bottom: Rgb) -> Image.Image:
    step = np.linspace(0, 1, max(height, 1))[:, None]
    column = (np.array(top) * (1 - step) + np.array(bottom) * step).astype(np.uint8)
    return Image.fromarray(column[:, None, :]).resize((width, max(height, 1)))


def _clouds(
    draw: ImageDraw.ImageDraw, width: int, line: int, lighting: Lighting, generator: np.random.Generator
) -> None:
    tint = (255, 255, 255, 70) if lighting == "day" else (255, 190, 150, 60)
    for _ in range(int(generator.integers(2, 5))):
        x, y = generator.uniform(0, width), generator.uniform(0, line * 0.6)
        for _ in range(7):
            dx, dy = generator.normal(0, width * 0.05), generator.normal(0, line * 0.03)
            half, tall = width * generator.uniform(0.03, 0.08), line * generator.uniform(0.03, 0.08)
            draw.ellipse([x + dx - half, y + dy - tall, x + dx + half, y + dy + tall], fill=tint)


def _street(stage: Stage) -> None:
    draw, width, height, line = stage.draw, stage.width, stage.height, stage.line
    night, generator = stage.night, stage.generator
    x = -float(generator.uniform(0, width * 0.1))
    foot = line + int(height * 0.03)
    while x < width:
        wide, tall = width * generator.uniform(0.14, 0.26), line * generator.uniform(0.6, 1.15)
        tone = generator.integers(-22, 22)
        wall = [(150, 110, 92), (172, 158, 138), (128, 128, 134), (164, 134, 104)][int(generator.integers(4))]
        shade = 0.4 if night else 1.0
        fill = tuple(int(max(0, min(255, (channel + tone) * shade))) for channel in wall)
        draw.rectangle([x, foot - tall, x + wide, foot], fill=fill)
        columns, rows = 4, max(2, int(tall / (height * 0.09)))
        for row in range(rows):
            for column in range(columns):
                left = x + wide * (column + 0.25) / columns
                top = foot - tall + tall * (row + 0.2) / rows
                lit = night and generator.random() < 0.4
                pane = (250, 206, 120) if lit else ((28, 30, 40) if night else (74, 88, 104))
                draw.rectangle([left, top, left + wide * 0.5 / columns, top + tall * 0.5 / rows], fill=pane)
        x += wide
    draw.rectangle([0, foot, width, foot + height * 0.045], fill=(158, 156, 152))
    draw.rectangle([0, foot + height * 0.045, width, foot + height * 0.06], fill=(98, 97, 96))
    for start in np.arange(-0.1, 1.1, 0.3):
        left = width * (start + 0.1)
        draw.polygon(
            [
                (left, height * 0.94),
                (left + width * 0.16, height * 0.94),
                (left + width * 0.15, height * 0.965),
                (left - width * 0.012, height * 0.965),
            ],
            fill=(224, 222, 210, 200),
        )


def _car_park(stage: Stage) -> None:
    draw, width, height, line = stage.draw, stage.width, stage.height, stage.line
    night, generator = stage.night, stage.generator
    shade = 0.45 if night else 1.0
    draw.rectangle([0, line - height * 0.05, width, line + 2], fill=tuple(int(c * shade) for c in (92, 118, 86)))
    palette = [(160, 50, 48), (70, 92, 140), (196, 196, 196), (60, 62, 66), (110, 130, 120)]
    x = -width * float(generator.uniform(0, 0.1))
    foot = line + height * 0.035
    while x < width:
        wide = width * float(generator.uniform(0.12, 0.16))
        tall = wide * 0.32
        fill = tuple(int(c * shade * 0.85) for c in palette[int(generator.integers(len(palette)))])
        draw.rounded_rectangle([x, foot - tall * 0.62, x + wide, foot - tall * 0.1], radius=tall * 0.2, fill=fill)
        roof = [x + wide * 0.2, foot - tall * 0.6, x + wide * 0.32, foot - tall, x + wide * 0.68, foot - tall]
        draw.polygon([*roof, x + wide * 0.82, foot - tall * 0.6], fill=fill)
        glass = [x + wide * 0.27, foot - tall * 0.62, x + wide * 0.35, foot - tall * 0.92]
        draw.polygon(
            [*glass, x + wide * 0.65, foot - tall * 0.92, x + wide * 0.75, foot - tall * 0.62], fill=(50, 60, 70)
        )
        for wheel in (0.22, 0.78):
            centre = x + wide * wheel
            draw.ellipse(
                [centre - tall * 0.17, foot - tall * 0.28, centre + tall * 0.17, foot + tall * 0.06], fill=(20, 20, 22)
            )
        x += wide * float(generator.uniform(1.15, 1.9))
    for start in np.linspace(-1.0, 2.0, 11):
        near, far_x = width * (0.5 + (start - 0.5) * 1.9), width * start
        draw.line([far_x, line + height * 0.06, near, height], fill=(236, 234, 224, 170), width=max(1, width // 110))
    for _ in range(2):
        post = width * float(generator.uniform(0.05, 0.95))
        draw.line([post, line, post, line * 0.2], fill=(70, 72, 76), width=max(1, width // 160))
        draw.line([post, line * 0.2, post + width * 0.05, line * 0.18], fill=(70, 72, 76), width=max(1, width // 160))
        if night:
            draw.ellipse([post + width * 0.03, line * 0.15, post + width * 0.07, line * 0.23], fill=(255, 226, 160))


def _garage(stage: Stage) -> None:
    draw, width, height, line = stage.draw, stage.width, stage.height, stage.line
    night, generator = stage.night, stage.generator
    dark = 0.55 if night else 1.0

    def tone(*channels: int) -> tuple[int, ...]:
        return tuple(int(channel * dark) for channel in channels)

    for row in range(9):
        y = line * row / 9
        draw.line([0, y, width, y], fill=(96, 98, 96, 110), width=max(1, width // 400))
        for column in range(9):
            x = width * (column + 0.5 * (row % 2)) / 8
            draw.line([x, y, x, y + line / 9], fill=(96, 98, 96, 110), width=max(1, width // 400))
    draw.rectangle([0, line - height * 0.02, width, line], fill=tone(80, 80, 78))
    left = width * float(generator.uniform(0.02, 0.5))
    draw.rectangle([left, line * 0.24, left + width * 0.3, line * 0.94], fill=tone(110, 78, 50))
    for shelf in range(4):
        y = line * (0.3 + 0.17 * shelf)
        draw.rectangle([left, y + line * 0.12, left + width * 0.3, y + line * 0.135], fill=tone(66, 46, 30))
        for _ in range(6):
            x = left + width * float(generator.uniform(0.01, 0.26))
            box = tone(*(int(value) for value in generator.integers(60, 210, size=3)))
            draw.rectangle(
                [x, y + line * float(generator.uniform(0.02, 0.08)), x + width * 0.035, y + line * 0.12], fill=box
            )
    right = width * float(generator.uniform(0.6, 0.75))
    draw.rectangle([right, line * 0.3, right + width * 0.22, line * 0.62], fill=tone(60, 76, 92))
    for _ in range(7):
        x = right + width * float(generator.uniform(0.01, 0.2))
        draw.line(
            [x, line * 0.34, x, line * float(generator.uniform(0.42, 0.58))],
            fill=tone(190, 190, 190),
            width=max(1, width // 130),
        )
    for lamp in (0.25, 0.7):
        draw.rectangle([width * lamp, line * 0.03, width * (lamp + 0.16), line * 0.07], fill=(255, 255, 240))
    for _ in range(3):
        x, y = width * generator.random(), line + (height - line) * generator.random()
        draw.ellipse([x, y, x + width * 0.14, y + height * 0.02], fill=(40, 38, 36, 60))


def _countryside(stage: Stage) -> None:
    draw, width, height, line = stage.draw, stage.width, stage.height, stage.line
    night, generator = stage.night, stage.generator
    shade = 0.35 if night else 1.0
    for depth, fill in enumerate(((122, 150, 130), (92, 132, 84), (74, 116, 60))):
        phase = float(generator.uniform(0, 6.3))
        xs = np.linspace(0, width, 40)
        ys = line - height * (0.11 - 0.035 * depth) * (0.7 + 0.6 * np.sin(xs / width * (4 + depth) + phase) * 0.5)
        points = [value for pair in zip(xs, ys, strict=True) for value in pair]
        draw.polygon([*points, width, line + 4, 0, line + 4], fill=tuple(int(c * shade) for c in fill))
    for _ in range(int(generator.integers(4, 8))):
        x, size = width * float(generator.uniform(0, 1)), height * float(generator.uniform(0.07, 0.16))
        draw.rectangle([x - size * 0.05, line - size * 0.5, x + size * 0.05, line + size * 0.1], fill=(70, 50, 34))
        for _ in range(6):
            cx, cy = x + generator.normal(0, size * 0.22), line - size * 0.85 + generator.normal(0, size * 0.18)
            green = int(generator.integers(70, 120) * shade)
            draw.ellipse(
                [cx - size * 0.32, cy - size * 0.3, cx + size * 0.32, cy + size * 0.3],
                fill=(green // 2, green, green // 3),
            )
    tracks = [width * -0.2, height * 0.74, width * 1.2, height * 0.7, width * 1.2, height * 0.98, width * -0.2, height]
    draw.polygon(tracks, fill=(156, 134, 100, 120))
    for _ in range(90):
        x, y = width * generator.random(), line + (height - line) * generator.random()
        blade = height * 0.012 * (0.5 + (y - line) / height * 2)
        draw.line(
            [x, y, x + blade * 0.4, y - blade],
            fill=(70, int(generator.integers(96, 150)), 48, 170),
            width=max(1, width // 420),
        )


def _snow(stage: Stage) -> None:
    draw, width, height, line = stage.draw, stage.width, stage.height, stage.line
    night, generator = stage.night, stage.generator
    shade = 0.4 if night else 1.0
    xs = np.linspace(0, width, 40)
    ys = line - height * 0.09 * (0.8 + 0.5 * np.sin(xs / width * 5 + generator.uniform(0, 6)))
    points = [value for pair in zip(xs, ys, strict=True) for value in pair]
    draw.polygon([*points, width, line + 4, 0, line + 4], fill=tuple(int(c * shade) for c in (212, 220, 232)))
    for _ in range(int(generator.integers(7, 13))):
        x, size = width * float(generator.uniform(0, 1)), height * float(generator.uniform(0.12, 0.26))
        for layer in range(3):
            top, half = line - size * (1 - 0.26 * layer), size * (0.14 + 0.06 * layer)
            foot = top + size * 0.46
            draw.polygon([x, top, x - half, foot, x + half, foot], fill=tuple(int(c * shade) for c in (40, 70, 58)))
            draw.polygon(
                [x, top, x - half * 0.55, top + size * 0.22, x + half * 0.3, top + size * 0.2],
                fill=tuple(int(c * shade) for c in (226, 232, 240)),
            )
    for _ in range(9):
        x, y = width * generator.random(), line + (height - line) * generator.random()
        half = width * float(generator.uniform(0.05, 0.16))
        draw.ellipse([x - half, y, x + half, y + half * 0.16], fill=(190, 202, 220, 60))
    for y in (0.86, 0.93):
        draw.line(
            [0, height * y, width, height * (y + 0.02)], fill=(176, 186, 202, 130), width=max(1, int(height * 0.022))
        )
