"""Small JPEGs of a sanitised photo: for search results and pages, not for models."""

import io

from PIL import Image, ImageOps

from udfs.images.decode import decode_rgb
from udfs.images.photo_error import PhotoError

LONGEST_SIDE = 256
QUALITIES = (80, 64, 50, 36)
"""Tried in turn, until the thumbnail is small enough."""


def thumbnail(jpeg: bytes, longest_side: int = LONGEST_SIDE, most_bytes: int | None = None) -> bytes | None:
    """The photo with its longest side at most `longest_side` pixels, as JPEG; None where it does not decode.

    With `most_bytes` the quality goes down, and then the size, until it has no more bytes than that.
    """
    try:
        small = decode_rgb(jpeg, at_least=longest_side)
    except PhotoError:
        return None
    while True:
        small.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
        for quality in QUALITIES:
            made = _encoded(small, quality)
            if most_bytes is None or len(made) <= most_bytes:
                return made
        longest_side = longest_side * 3 // 4


def tile(jpeg: bytes, side: int) -> bytes | None:
    """The middle of the photo as a square JPEG of `side` pixels; None where it does not decode."""
    try:
        return _encoded(ImageOps.fit(decode_rgb(jpeg, at_least=side), (side, side)), QUALITIES[0])
    except PhotoError:
        return None


def _encoded(picture: Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=quality, optimize=True)
    return target.getvalue()
