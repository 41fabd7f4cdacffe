"""One photo's bytes in; a clean JPEG and what is worth keeping of the original out, or the reason why not."""

import io
from contextlib import AbstractContextManager, nullcontext

from PIL import Image
from PIL.ImageFile import ImageFile

from udfs.images.colour import shrink_to_srgb
from udfs.images.decode import explain, open_photo
from udfs.images.frames import decode_frame
from udfs.images.metadata import capture_time, orientation, read_exif
from udfs.images.perceptual import perceptual_hash
from udfs.images.photo import SanitisedPhoto, SanitiseLimits
from udfs.images.photo_error import PhotoError
from udfs.images.pillow_warnings import without_warnings
from udfs.images.sniff import sniff_format
from udfs.outcome import ErrorCode, Status

GIANT_PIXELS = 40_000_000
"""Above this, photos are decoded one after the other: a giant may need nearly a gigabyte."""
_HUNGRY_SHARE = {"WEBP": 3, "AVIF": 3, "HEIF": 3, "JPEG2000": 4}
"""Formats whose decoders hold several copies of the picture get this fraction of the pixel limit (1/3, 1/4)."""
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


def sanitise(
    content: bytes, limits: SanitiseLimits, one_giant: AbstractContextManager[object] | None = None
) -> SanitisedPhoto:
    """Decode, set upright, convert to sRGB, shrink and encode one photo; the same bytes always give the same result.

    Never raises for what the bytes hold: what cannot be read comes back as FAILED with a code. The limits are compared
    with the header before anything is decoded. What a decoder does with hostile bytes nobody can tell before: where it
    may not cost the process, `udfs.images.decoders` calls this in others. `one_giant` is held while a photo of more
    than GIANT_PIXELS is decoded.
    """
    format_name: str | None = None
    width: int | None = None
    height: int | None = None
    with without_warnings():
        try:
            format_name = sniff_format(content)
            _check_bytes(content, format_name, limits)
            image = open_photo(content, format_name or "", limits.maximum_memory)
            width, height = _stored_size(image)
            _check_pixels(width * height, format_name, limits)
            with one_giant if one_giant is not None and width * height > GIANT_PIXELS else nullcontext():
                return _clean(image, format_name, (width, height), limits)
        except Exception as raised:
            # Codecs raise nearly anything on hostile bytes, MemoryError included.
            error = explain(raised, content, format_name or "photo")
            if error.code is ErrorCode.OUT_OF_MEMORY:
                error = PhotoError(ErrorCode.TOO_MUCH_MEMORY, error.detail)
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
        perceptual_hash=perceptual_hash(Image.fromarray(decode_frame(jpeg))),
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
