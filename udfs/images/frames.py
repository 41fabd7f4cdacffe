"""Sanitised JPEGs to arrays of pixels, as fast as libjpeg-turbo is: what most photos are takes the direct way, the rest
goes through Pillow.

Both ways give the same pixels, scaled or not, and the same error codes: the direct way stops at anything that
libjpeg-turbo would mend (a photo cut short, painted grey), and Pillow's has the last word on it.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import simplejpeg
from PIL import Image

from udfs.images.decode import decode_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

Jpeg = bytes | bytearray | memoryview

MAXIMUM_HEADER_SEGMENTS = 64
"""Segments before the coded data. Photos have about ten; a file of more is left to Pillow's way, which has limits."""
MAXIMUM_STRETCH = 0.25
"""Pixels of `at_least` by which shrinking may stretch a photo: a side that the factor does not divide is rounded up, so
that all of the photo ends up a little too large. Networks notice half a pixel more than any blur."""

_BASELINE, _EXTENDED, _START_OF_SCAN = 0xC0, 0xC1, 0xDA
_OTHER_FRAMES = {*range(0xC2, 0xD0)} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x00, 0x01, *range(0xD0, 0xDA), 0xFF}
_FACTORS = (8, 4, 2)
"""By which libjpeg shrinks while it decodes; others work too, but not with SIMD instructions."""


class _Header(NamedTuple):
    height: int
    width: int
    direct: bool
    """Whether libjpeg-turbo may decode it without Pillow."""


def decode_frame(
    jpeg: Jpeg, at_least: tuple[int, int] | None = None, into: "NDArray[np.uint8] | memoryview | None" = None
) -> "NDArray[np.uint8]":
    """Decode a sanitised JPEG to RGB, uint8 [height, width, 3].

    With `at_least` (height, width), libjpeg may decode at 1/2, 1/4 or 1/8 of the size while neither side falls below
    it; a smaller photo comes in full size. `into` is a writable buffer of bytes: where `frame_shape` foretells the
    size, the frame is a view on its beginning, unless the photo turns out to be damaged. Safe in threads, and most of
    the work is done without the interpreter's lock.

    Raises:
        PhotoError: with the codes of decode.decode_rgb: empty, no JPEG, cut short, does not decode.
        ValueError: `into` is smaller than the frame.
    """
    # Arrow's buffers hold signed bytes, which simplejpeg refuses.
    jpeg = memoryview(jpeg).cast("B")
    header = _read_header(jpeg)
    factor = _factor(header, at_least)
    if header is not None and header.direct:
        shape = _shrunk(header, factor)
        if into is not None and into.nbytes < shape[0] * shape[1] * 3:
            raise ValueError(f"a buffer of {into.nbytes} bytes is too small for a frame of {shape[0]} x {shape[1]}")
        least = shape if factor > 1 else (0, 0)
        try:
            frame: NDArray[np.uint8] = simplejpeg.decode_jpeg(
                jpeg, "RGB", min_height=least[0], min_width=least[1], buffer=into, strict=True
            )
        except Exception:
            frame = np.empty(0, np.uint8)
        if frame.shape[:2] == shape:
            return frame
    # Of this shorter side Pillow makes the same factor.
    shorter = min(header.height, header.width) // factor if header is not None and factor > 1 else None
    # A copy: Pillow's own memory is read-only, which torch warns of.
    return np.array(decode_rgb(bytes(jpeg), at_least=shorter))


def frame_shape(jpeg: Jpeg, at_least: tuple[int, int] | None = None) -> tuple[int, int] | None:
    """(height, width) of the frame that decode_frame gives, from the header alone; None where Pillow has to decode it.

    Pillow gets progressive, arithmetic, lossless, 12-bit, CMYK and multi-scan files, giants, and what is no JPEG.
    """
    header = _read_header(memoryview(jpeg).cast("B"))
    return _shrunk(header, _factor(header, at_least)) if header is not None and header.direct else None


def _factor(header: _Header | None, at_least: tuple[int, int] | None) -> int:
    if header is None or at_least is None:
        return 1
    sides = tuple(zip((header.height, header.width), at_least, strict=True))
    for factor in _FACTORS:
        if all(side >= factor * least and -side % factor * least <= MAXIMUM_STRETCH * side for side, least in sides):
            return factor
    return 1


def _shrunk(header: _Header, factor: int) -> tuple[int, int]:
    return -(-header.height // factor), -(-header.width // factor)


def _read_header(jpeg: memoryview) -> _Header | None:
    """Walk the header (ITU-T T.81, annex B); None where it is not as expected, or without a size.

    For the direct way the first scan has to hold all components: then libjpeg-turbo reads no further one.
    """
    if bytes(jpeg[:2]) != b"\xff\xd8":
        return None
    position, header, components = 2, None, 0
    for _ in range(MAXIMUM_HEADER_SEGMENTS):
        if position + 10 > len(jpeg) or jpeg[position] != 0xFF:
            return None
        marker = jpeg[position + 1]
        if marker in _WITHOUT_LENGTH:
            return None
        if marker == _START_OF_SCAN:
            return header and header._replace(direct=header.direct and jpeg[position + 4] == components)
        if marker in {_BASELINE, _EXTENDED, *_OTHER_FRAMES}:
            if header is not None:
                return None
            precision, components = jpeg[position + 4], jpeg[position + 9]
            height = int.from_bytes(jpeg[position + 5 : position + 7], "big")
            width = int.from_bytes(jpeg[position + 7 : position + 9], "big")
            direct = marker not in _OTHER_FRAMES and precision == 8 and components in {1, 3}
            header = _Header(height, width, direct and 0 < height * width <= (Image.MAX_IMAGE_PIXELS or 0))
        position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
    return None
