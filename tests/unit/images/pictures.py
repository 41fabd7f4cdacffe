"""Pictures to try: small, each with something a test can recognise again after it was encoded and cleaned."""

import io
from typing import Any

import numpy as np
from PIL import Image

from udfs.images.photo import SanitisedPhoto, SanitiseLimits
from udfs.images.sanitise import sanitise

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 180, 30), (30, 30, 220), (220, 220, 30)
LIMITS = SanitiseLimits(longest_side=128)


def quarters(width: int = 96, height: int = 64) -> Image.Image:
    """Red, green, blue and yellow quarters: shows every rotation and mirroring."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(YELLOW, (width // 2, height // 2, width, height))
    return image


def scenery(width: int = 320, height: int = 240, seed: int = 7) -> Image.Image:
    """Smooth blobs with grain, which compress like a photo does."""
    random = np.random.default_rng(seed)
    blobs = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((width, height))
    grain = random.normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(blobs) + grain, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, format_name: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def cleaned(content: bytes, limits: SanitiseLimits = LIMITS) -> Image.Image:
    """The sanitised picture; fails with the code where the photo failed."""
    photo = sanitise(content, limits)
    assert photo.jpeg is not None, (photo.error_code, photo.error_detail)
    return opened(photo)


def opened(photo: SanitisedPhoto) -> Image.Image:
    assert photo.jpeg is not None
    image = Image.open(io.BytesIO(photo.jpeg))
    image.load()
    return image


def difference(first: Image.Image, second: Image.Image) -> float:
    """Mean absolute difference per channel, 0 to 255."""
    assert first.size == second.size
    pixels = [np.asarray(image.convert("RGB"), dtype=np.float64) for image in (first, second)]
    return float(np.abs(pixels[0] - pixels[1]).mean())
