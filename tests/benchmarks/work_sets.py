"""The photos that are measured on: distinct JPEGs with the detail and the noise of a camera, in Parquet files.

Rendered scenes, cut, mirrored and lit anew for every photo, with texture and sensor noise of its own. One in a hundred
is broken or progressive, at least one of each. The same seed gives the same bytes.
"""

import hashlib
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

QUALITY = 88
ROWS_PER_FILE = 1000
FILES_AT_LEAST = 4
ROW_GROUP_BYTES = 128 * 1024 * 1024
ODD_SHARE = 0.01
SCENES = 6
MARGIN = 1.12
"""How much larger a base picture is than the photos cut from it."""


@dataclass(frozen=True)
class WorkSet:
    """Photos of one size. `noise` is the sensor's, in grey levels: a small picture of a phone shows less of it."""

    name: str
    width: int
    height: int
    noise: float
    texture: float


SETS = {
    "a": WorkSet("a", 1024, 768, 3.0, 3.6),
    "b": WorkSet("b", 4032, 3024, 3.2, 5.0),
}


def work_set(root: Path, name: str, photos: int, seed: int = 7) -> Path:
    """The directory of Parquet files (photo_id: sha256, jpeg) with so many photos of a set; made where it is missing.

    Files hold about 1,000 rows; fewer where the set has so few that the cores would have no file each.
    """
    directory = root / f"{name}-{photos}-{seed}"
    if (directory / "_complete").is_file():
        return directory
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    files = min(photos, max(FILES_AT_LEAST, -(-photos // ROWS_PER_FILE)))
    ends = [photos * (file + 1) // files for file in range(files)]
    rows: list[tuple[str, bytes]] = []
    for number, jpeg in enumerate(jpegs(SETS[name], photos, seed)):
        rows.append((hashlib.sha256(jpeg).hexdigest(), jpeg))
        if number + 1 in ends:
            _write(directory / f"photos-{ends.index(number + 1):05d}.parquet", rows)
            rows = []
    (directory / "_complete").touch()
    return directory


def first_rows(photos: Path, count: int) -> Path:
    """A directory beside it with the first photos of a set in one file: what a cold start is timed with."""
    directory = photos.with_name(f"{photos.name}-first-{count}")
    if not (directory / "_complete").is_file():
        directory.mkdir(exist_ok=True)
        table = pq.read_table(sorted(photos.glob("*.parquet"))[0]).slice(0, count)
        pq.write_table(table, directory / "photos-00000.parquet")
        (directory / "_complete").touch()
    return directory


def jpegs(kind: WorkSet, photos: int, seed: int) -> Iterator[bytes]:
    """The photos of a set, one after the other."""
    generator = np.random.default_rng(seed)
    bases = [_base(kind, seed * 100 + number) for number in range(min(SCENES, photos))]
    noise = _noise(kind, generator)
    odd = odd_photos(photos)
    for number in range(photos):
        image = _photo(kind, bases[number % len(bases)], noise, generator)
        oddity = odd.get(number)
        jpeg = _encoded(image, progressive=oddity == "progressive")
        yield jpeg[: len(jpeg) * 3 // 5] if oddity == "truncated" else jpeg


def odd_photos(photos: int) -> dict[int, str]:
    """Which photos are broken or progressive, never the first one; none in a set of fewer than three."""
    count = max(2, round(photos * ODD_SHARE)) if photos > 2 else 0
    places = [1 + (photos - 1) * (2 * place + 1) // (2 * count) for place in range(count)]
    return {place: "truncated" if turn % 2 == 0 else "progressive" for turn, place in enumerate(places)}


def _base(kind: WorkSet, seed: int) -> NDArray[np.int16]:
    from demo.drawing.render import render
    from demo.training.dataset import scenes_of

    width, height = int(kind.width * MARGIN), int(kind.height * MARGIN)
    drawn = render(scenes_of(seed, 1)[0], width=1152, oversample=1).image
    picture = drawn.resize((width, height), Image.Resampling.BICUBIC)
    texture = _octaves(height, width, np.random.default_rng(seed), finest=2) * kind.texture
    return np.clip(np.asarray(picture, np.float32) + texture[..., None], 0, 255).astype(np.int16)


def _octaves(height: int, width: int, generator: np.random.Generator, finest: int) -> NDArray[np.float32]:
    """Detail at every scale, as in nature: the amplitude halves with the size. Standard deviation about 1."""
    total = np.zeros((height, width), np.float32)
    size, weight = finest, 0.5
    while size < min(height, width):
        small = generator.standard_normal((height // size + 2, width // size + 2), dtype=np.float32)
        grown = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(grown) * weight
        size, weight = size * 2, weight * 1.25
    total /= total.std()
    return total


def _noise(kind: WorkSet, generator: np.random.Generator) -> NDArray[np.int16]:
    shape = (kind.height * 5 // 4, kind.width * 5 // 4)
    return np.round(generator.standard_normal(shape, dtype=np.float32) * kind.noise).astype(np.int16)


def _photo(
    kind: WorkSet, base: NDArray[np.int16], noise: NDArray[np.int16], generator: np.random.Generator
) -> Image.Image:
    cut = _cut(base, kind, generator)[:, :: int(generator.choice([-1, 1]))]
    grain = _cut(noise, kind, generator)
    light = int(generator.integers(-18, 19))
    return Image.fromarray(np.clip(cut + (grain + light)[..., None], 0, 255).astype(np.uint8))


def _cut(pixels: NDArray[np.int16], kind: WorkSet, generator: np.random.Generator) -> NDArray[np.int16]:
    top = int(generator.integers(pixels.shape[0] - kind.height + 1))
    left = int(generator.integers(pixels.shape[1] - kind.width + 1))
    return pixels[top : top + kind.height, left : left + kind.width]


def _encoded(image: Image.Image, *, progressive: bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, progressive=progressive)
    return buffer.getvalue()


def _write(path: Path, rows: list[tuple[str, bytes]]) -> None:
    table = pa.table({"photo_id": [key for key, _ in rows], "jpeg": pa.array([jpeg for _, jpeg in rows], pa.binary())})
    per_group = max(1, ROW_GROUP_BYTES * len(rows) // max(1, sum(len(jpeg) for _, jpeg in rows)))
    pq.write_table(table, path, row_group_size=per_group, compression="none")
