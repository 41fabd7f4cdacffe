"""Pixels of any mode that Pillow knows, brought to upright, small, opaque sRGB."""

import io
import math
from functools import cache, lru_cache
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms, ImageOps
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile

MAXIMUM_PROFILE_BYTES = 4 * 1024 * 1024
"""Largest colour profile that is applied; press profiles have about 2 MB, cameras' a few kilobytes."""

_STRIPE_ROWS = 256
_PHOTOMETRIC = 262
_TWELVE_BITS, _SIXTEEN_BITS = 4095.0, 65535.0
_WHITE_IS_ZERO = 0


def shrink_to_srgb(image: ImageFile, longest_side: int, orientation: int) -> Image.Image:
    """Bring a loaded or still undecoded image to upright RGB in sRGB, its longest side at most `longest_side`.

    Never enlarges. Shrinking comes first, so that all other work is done on few pixels. Transparency is laid over
    white. A colour profile that is broken, or of another kind of picture, is ignored. Raises what Pillow raises on
    undecodable pixels.
    """
    profile = image.info.get("icc_profile")
    small = _shrink(image, longest_side)
    rgb = _to_srgb(_over_white(small), profile if isinstance(profile, bytes) else None)
    # What the file brought along (comment, EXIF, profile) must reach neither the transpose nor the encoder.
    rgb.info = {}
    if orientation != 1:
        rgb.getexif()[Base.Orientation] = orientation
        ImageOps.exif_transpose(rgb, in_place=True)
    return rgb


def _shrink(image: ImageFile, longest_side: int) -> Image.Image:
    """Shrink to at most `longest_side`, in a mode of 8 bits; the work on all pixels is done in place or in stripes."""
    scale = min(1.0, longest_side / max(image.size))
    target = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # libjpeg decodes at 1/2, 1/4 or 1/8. At 1.9, not 2, the most common size of telephones (4032) is among them.
    drafted = image.draft(None, (max(1, int(target[0] * 1.9)), max(1, int(target[1] * 1.9))))
    box = drafted[1] if drafted is not None else (0.0, 0.0, float(image.width), float(image.height))
    image.load()
    factor = max(1, max(image.size) // (2 * max(target)))
    reduced, lowest, highest = _reduce(image, factor)
    if scale < 1.0:
        box = (0.0, 0.0, min(box[2] / factor, reduced.width), min(box[3] / factor, reduced.height))
        reduced = reduced.resize(target, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)
    return _eight_bits(reduced, *_range(image, lowest, highest)) if reduced.mode in {"I", "F"} else reduced


def _reduce(image: ImageFile, factor: int) -> tuple[Image.Image, float, float]:
    """Average squares of `factor` pixels, after converting what cannot be averaged; also the lowest and highest value.

    In stripes: a giant picture is then held once, not once for each step of the conversion.
    """
    rows = image.height if factor == 1 else factor * max(1, _STRIPE_ROWS // factor)
    size = (-(-image.width // factor), -(-image.height // factor))
    reduced: Image.Image | None = None
    lowest, highest = math.inf, -math.inf
    for top in range(0, image.height, rows):
        stripe = image if factor == 1 else image.crop((0, top, image.width, min(top + rows, image.height)))
        values = _averageable(stripe)
        if values.mode in {"I", "F"}:
            low, high = cast("tuple[float, float]", values.getextrema())
            lowest, highest = min(lowest, low), max(highest, high)
        if factor == 1:
            return values, lowest, highest
        values = values.reduce(factor)
        reduced = reduced or Image.new(values.mode, size)
        reduced.paste(values, (0, top // factor))
    assert reduced is not None  # an opened image has at least one row
    return reduced, lowest, highest


def _averageable(image: Image.Image) -> Image.Image:
    """Convert modes whose numbers cannot be averaged (palettes, bits, transparent colours); leave the others."""
    if image.mode.startswith("I;16"):
        # Pillow's own path from 16 bits to 8 clips; the scaling is done after shrinking.
        return image.convert("I")
    if image.mode in {"I", "F"}:
        return image
    if image.has_transparency_data and image.mode not in {"RGBA", "LA"}:
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in {"L", "RGB", "RGBA", "LA", "CMYK"} else image.convert("RGB")


def _range(image: ImageFile, lowest: float, highest: float) -> tuple[float, float]:
    """Values of black and of white in a picture of more than 8 bits; black is the larger where they are swapped."""
    tags: Any = getattr(image, "tag_v2", {})
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        lowest, highest = 0.0, 1.0
    elif image.mode.startswith("I;16"):
        # Sensors of 12 bits are often stored in 16: taken at their word, such pictures would be nearly black.
        lowest, highest = 0.0, _TWELVE_BITS if tags and highest <= _TWELVE_BITS else _SIXTEEN_BITS
    elif lowest >= 0 and highest <= _SIXTEEN_BITS:
        scales = (1.0, 255.0, _SIXTEEN_BITS) if image.mode == "F" else (255.0, _SIXTEEN_BITS)
        lowest, highest = 0.0, next(scale for scale in scales if highest <= scale)
    return (highest, lowest) if tags.get(_PHOTOMETRIC, 1) == _WHITE_IS_ZERO else (lowest, highest)


def _eight_bits(image: Image.Image, black: float, white: float) -> Image.Image:
    scaled = (np.asarray(image, dtype=np.float64) - black) / ((white - black) or 1.0)
    scaled = np.clip(np.nan_to_num(scaled, nan=0.0), 0.0, 1.0)
    return Image.fromarray(np.rint(scaled * 255.0).astype(np.uint8))


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode not in {"RGBA", "LA"}:
        return image
    colours = image.convert("RGBA")
    background = Image.new("RGB", image.size, "white")
    background.paste(colours, mask=colours.getchannel("A"))
    return background


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    transform = _transform(profile, image.mode) if profile and len(profile) <= MAXIMUM_PROFILE_BYTES else None
    if transform is not None:
        try:
            return transform.apply(image)
        except (ImageCms.PyCMSError, ValueError):
            pass
    return image.convert("RGB")


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Transform from an embedded profile to sRGB; None when nothing is to do, or the profile does not fit."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode == "RGB" and ImageCms.getProfileDescription(source).startswith("sRGB"):
            return None
        return ImageCms.buildTransform(source, _srgb(), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # littleCMS refuses broken profiles, and profiles of another colour space than the picture's.
        return None
