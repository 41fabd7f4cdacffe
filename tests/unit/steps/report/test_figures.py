"""Pictures of numbers: the map keeps neighbours together, and whatever comes in, the page stays small."""

import io

import numpy as np
import pytest
from PIL import Image

from jobs.steps.report.figures import PALETTE, SHEET_BYTES, TILE, class_styles, photo_sheet, project
from jobs.steps.report.thumbnails import THUMBNAIL_BYTES, THUMBNAIL_SIDE
from udfs.images.thumbnail import thumbnail, tile


def noise(width, height, seed=0):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 20])
def test_few_points_are_placed_inside_the_square(count):
    vectors = np.random.default_rng(0).standard_normal((count, 6)).astype(np.float32)
    placed, _ = project(vectors)
    assert placed.shape == (count, 2)
    assert np.isfinite(placed).all()
    assert ((placed >= 0) & (placed <= 1)).all()


def test_equal_vectors_share_one_place():
    placed, method = project(np.ones((10, 4), np.float32))
    assert len(np.unique(placed, axis=0)) == 1
    assert method == "all alike"


def test_like_photos_lie_near_each_other_and_the_map_is_repeatable():
    generator = np.random.default_rng(5)
    centres = np.eye(3, 16, dtype=np.float32)
    group = np.repeat(np.arange(3), 20)
    vectors = centres[group] + generator.normal(0, 0.02, (60, 16)).astype(np.float32)
    placed, method = project(vectors)
    distances = np.linalg.norm(placed[:, None] - placed[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert method == "t-SNE"
    assert (group[distances.argmin(axis=1)] == group).all()
    assert np.array_equal(placed, project(vectors)[0])


def test_a_thumbnail_keeps_to_its_side_and_bytes_even_for_noise():
    small = thumbnail(noise(1024, 768), THUMBNAIL_SIDE, THUMBNAIL_BYTES)
    assert len(small) <= THUMBNAIL_BYTES
    assert max(Image.open(io.BytesIO(small)).size) <= THUMBNAIL_SIDE


def test_what_does_not_decode_has_no_thumbnail():
    assert thumbnail(b"not a photo") is None
    assert tile(b"not a photo", TILE) is None


def test_the_sheet_holds_each_photo_once_in_its_place():
    colours = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}
    tiles = {}
    for name, colour in colours.items():
        buffer = io.BytesIO()
        Image.new("RGB", (TILE, TILE), colour).save(buffer, "JPEG")
        tiles[name] = buffer.getvalue()
    sheet, columns, places = photo_sheet(tiles, ["blue", "red", "unknown", "blue", "green"])
    assert (columns, places) == (2, {"blue": 0, "red": 1, "green": 2})
    picture = Image.open(io.BytesIO(sheet))
    for name, place in places.items():
        middle = (place % columns * TILE + TILE // 2, place // columns * TILE + TILE // 2)
        assert np.abs(np.subtract(picture.getpixel(middle), colours[name])).max() < 12


def test_a_sheet_of_two_thousand_noisy_photos_stays_small():
    one = [tile(noise(80, 60, seed), TILE) for seed in range(20)]
    tiles = {str(number): one[number % 20] for number in range(2000)}
    assert len(photo_sheet(tiles, list(tiles))[0]) <= SHEET_BYTES


def test_classes_are_told_apart_and_none_is_grey():
    names = [f"class {number}" for number in range(3 * len(PALETTE))]
    styles = class_styles([*names, "none"])
    assert len({styles[name] for name in names}) == len(names)
    assert styles["none"][0] not in PALETTE
