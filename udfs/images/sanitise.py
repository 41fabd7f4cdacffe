"""One photo's bytes in; a clean JPEG and what is worth keeping of the original out, or the reason why not."""

import io
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

from PIL import Image
from PIL.ImageFile import ImageFile

from udfs.images.colour import shrink_to_srgb
from udfs.images.decode import decode_rgb, explain, open_photo
from udfs.images.metadata import capture_time, orientation, read_exif
from udfs.images.perceptual import perceptual_hash
from udfs.images.photo_error import PhotoError
from udfs.images.pillow_warnings import without_warnings
from udfs.images.sniff import sniff_format
from udfs.outcome import ErrorCode, Status

MAXIMUM_LONGEST_SIDE = 65_500
"""What the JPEG format can hold."""
GIANT_PIXELS = 40_000_000
"""Above this, photos of one process are decoded one after the other: a giant may need more than a gigabyte."""
_HUNGRY_SHARE = {"WEBP": 3, "AVIF": 3, "HEIF": 3, "JPEG2000": 4}
"""Formats whose decoders hold several copies of the picture get this fraction of the pixel limit (1/3, 1/4)."""
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257

_one_giant = threading.Lock()


@dataclass(frozen=True)
class SanitiseLimits:
    """How large an original may be, and how large a sanitised photo becomes. Raises ValueError when out of range.

    Pillow refuses more than 178,956,970 pixels by itself, whatever `maximum_pixels` says.
    """

    longest_side: int = 1024
    """Pixels; a smaller photo is not enlarged."""
    jpeg_quality: int = 88
    """libjpeg's scale, 1 to 100."""
    maximum_bytes: int = 64 * 1024 * 1024
    maximum_pixels: int = 150_000_000
    """By the header, before decoding. WebP, AVIF and HEIF get a third of it, JPEG 2000 a quarter."""

    def __post_init__(self) -> None:
        if not 1 <= self.longest_side <= MAXIMUM_LONGEST_SIDE:
            raise ValueError(f"longest_side must be 1 to {MAXIMUM_LONGEST_SIDE} pixels, it is {self.longest_side}")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality must be 1 to 100, it is {self.jpeg_quality}")
        if self.maximum_bytes < 1 or self.maximum_pixels < 1:
            raise ValueError("maximum_bytes and maximum_pixels must be 1 or more")


@dataclass(frozen=True)
class SanitisedPhoto:
    """What became of one photo. Of a failed one, what could be learnt before it failed is kept."""

    status: Status
    error_code: ErrorCode | None = None
    error_detail: str | None = None
    """One line of at most 200 characters, without paths or bytes."""
    jpeg: bytes | None = None
    """Baseline JPEG, 4:2:0, upright, sRGB, without any metadata."""
    width: int | None = None
    height: int | None = None
    original_width: int | None = None
    """As stored, before orientation."""
    original_height: int | None = None
    original_format: str | None = None
    """As sniffed from the bytes: JPEG, PNG, HEIF, ..."""
    captured_at: datetime | None = None
    """Local time of the camera, without zone."""
    perceptual_hash: int | None = None
    """imagehash.phash of the sanitised JPEG, signed 64-bit."""


def sanitise(content: bytes, limits: SanitiseLimits) -> SanitisedPhoto:
    """Decode, set upright, convert to sRGB, shrink and encode one photo; the same bytes always give the same result.

    Never raises for what the bytes hold: what cannot be read comes back as FAILED with a code. Time and memory are
    bounded by the limits, which are compared with the header before anything is decoded.
    """
    format_name: str | None = None
    width: int | None = None
    height: int | None = None
    with without_warnings():
        try:
            format_name = sniff_format(content)
            _check_bytes(content, format_name, limits)
            image = open_photo(content, format_name or "")
            width, height = _stored_size(image)
            _check_pixels(width * height, format_name, limits)
            with _one_giant if width * height > GIANT_PIXELS else nullcontext():
                return _clean(image, format_name, (width, height), limits)
        except Exception as raised:
            # Codecs raise nearly anything on hostile bytes, MemoryError included.
            error = explain(raised, content, format_name or "photo")
    return SanitisedPhoto(
        Status.FAILED,
        error.code,
        error.detail,
        original_width=width,
        original_height=height,
        original_format=format_name,
    )


def _clean(
    image: ImageFile, format_name: str | None, stored: tuple[int, int], limits: SanitiseLimits
) -> SanitisedPhoto:
    if format_name != "JPEG":
        # PNG may keep its EXIF behind the pixels, and TIFF is turned upright as it is loaded.
        image.load()
    exif = read_exif(image)
    rgb = shrink_to_srgb(image, limits.longest_side, orientation(exif))
    jpeg = _encode(rgb, limits.jpeg_quality)
    return SanitisedPhoto(
        Status.OK,
        jpeg=jpeg,
        width=rgb.width,
        height=rgb.height,
        original_width=stored[0],
        original_height=stored[1],
        original_format=format_name,
        captured_at=capture_time(exif),
        # Of the stored pixels, so that anyone can compute it again; and what was written is seen to decode.
        perceptual_hash=perceptual_hash(decode_rgb(jpeg)),
    )


def _check_bytes(content: bytes, format_name: str | None, limits: SanitiseLimits) -> None:
    if not content:
        raise PhotoError(ErrorCode.EMPTY, "the file holds no bytes")
    if len(content) > limits.maximum_bytes:
        raise PhotoError(ErrorCode.TOO_MANY_BYTES, f"{len(content)} bytes, the limit is {limits.maximum_bytes}")
    if format_name is None:
        raise PhotoError(ErrorCode.NOT_AN_IMAGE, "the first bytes are of no image format known here")


def _check_pixels(pixels: int, format_name: str | None, limits: SanitiseLimits) -> None:
    most = limits.maximum_pixels // _HUNGRY_SHARE.get(format_name or "", 1)
    if pixels > most:
        raise PhotoError(ErrorCode.TOO_MANY_PIXELS, f"{format_name}: {pixels} pixels, the limit is {most}")


def _stored_size(image: ImageFile) -> tuple[int, int]:
    """Width and height as the file says them; Pillow gives those of a TIFF as they are once upright."""
    tags = getattr(image, "tag_v2", None)
    return (tags[_TIFF_WIDTH], tags[_TIFF_HEIGHT]) if tags is not None else image.size


def _encode(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0", optimize=False, progressive=False)
    return buffer.getvalue()
