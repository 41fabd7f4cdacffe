"""Opening photos with Pillow, from a closed list of formats, and saying in one code why one does not open."""

import importlib
import io
import sys
from functools import cache

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from udfs.images.header_limits import CHECKS
from udfs.images.jpeg_coding import coefficient_bytes, read_frame, refuse_unsupported
from udfs.images.jpeg_end import with_end
from udfs.images.jpeg_structure import has_too_much_exif, picture_bytes, read_structure, without_metadata
from udfs.images.photo_error import PhotoError
from udfs.images.pillow_warnings import without_warnings
from udfs.images.truncation import ends_early
from udfs.outcome import ErrorCode

PILLOW_FORMATS = {
    "JPEG": JpegImagePlugin.JpegImageFile.format,
    "PNG": PngImagePlugin.PngImageFile.format,
    "GIF": GifImagePlugin.GifImageFile.format,
    "BMP": BmpImagePlugin.BmpImageFile.format,
    "TIFF": TiffImagePlugin.TiffImageFile.format,
    "WEBP": WebPImagePlugin.WebPImageFile.format,
    "AVIF": AvifImagePlugin.AvifImageFile.format,
    "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile.format,
    "HEIF": "HEIF",
}
"""What cameras, telephones, scanners and browsers write: sniffed name to Pillow's. Nothing else is ever handed to
Pillow, whose other decoders start programs (EPS), are rarely fuzzed, or cannot hold a photo. Naming the plug-ins here
also loads them, and none but them."""

HEIF_READER = "pi-heif"
"""The package that reads HEIF; a requirement, but without a wheel for every machine."""

_TRUNCATED = ("truncated", "not enough data")
_UNSUPPORTED = (
    "unsupported",
    "not supported",
    "not yet supported",
    "unknown",
    "unimplemented",
    "not been built",
    "not installed",
)
_NO_MODE = "not identified by this driver"
"""Pillow's own words where a reader finds no pixels that it could make; pi-heif's, where no decoder is for them."""


def open_photo(content: bytes, format_name: str, maximum_memory: int = sys.maxsize) -> ImageFile:
    """Open `content`, already sniffed as `format_name`, without decoding its pixels.

    A JPEG is reduced to its first picture, given the end marker where that alone is missing, and opened without its
    metadata when these are what is broken. Raises PhotoError: UNSUPPORTED_FORMAT, CORRUPT, TRUNCATED, TOO_MANY_PIXELS,
    or TOO_MUCH_MEMORY where the header tells that decoding takes more than `maximum_memory` bytes.
    """
    if format_name not in PILLOW_FORMATS:
        raise PhotoError(ErrorCode.UNSUPPORTED_FORMAT, f"{format_name} is not decoded here")
    if format_name == "HEIF" and not heif_reader():
        raise PhotoError(ErrorCode.UNSUPPORTED_FORMAT, f"HEIF: its reader is missing here: pip install {HEIF_READER}")
    if format_name in CHECKS:
        CHECKS[format_name](content)
    if format_name != "JPEG":
        return _open(content, format_name)
    structure = read_structure(content)
    if structure.end is None and (whole := with_end(content, structure)) is not None:
        content, structure = whole, read_structure(whole)
    frame = read_frame(content, structure)
    refuse_unsupported(frame)
    needed = coefficient_bytes(frame, len(structure.scans))
    if needed > maximum_memory:
        raise PhotoError(
            ErrorCode.TOO_MUCH_MEMORY, f"JPEG: {needed} bytes for its scans, ingest.maximum_memory is {maximum_memory}"
        )
    picture = picture_bytes(content, structure)
    if has_too_much_exif(content, structure):
        picture = without_metadata(picture, structure)
    try:
        return _open(picture, format_name)
    except PhotoError:
        bare = without_metadata(content, structure)
        if len(bare) == len(content):
            raise
        return _open(picture_bytes(bare, read_structure(bare)), format_name)


def decode_rgb(jpeg: bytes, *, at_least: int | None = None) -> Image.Image:
    """Decode a sanitised JPEG into an RGB image.

    With `at_least`, libjpeg may decode at 1/2, 1/4 or 1/8 of the size, which is several times faster; neither side
    then falls below `at_least` pixels unless it was smaller to begin with. Raises PhotoError when the bytes are empty,
    are no JPEG, are cut short or do not decode.
    """
    if not jpeg:
        raise PhotoError(ErrorCode.EMPTY, "the file holds no bytes")
    if not jpeg.startswith(b"\xff\xd8\xff"):
        raise PhotoError(ErrorCode.NOT_AN_IMAGE, "these bytes are no JPEG")
    with without_warnings():
        try:
            image = open_photo(jpeg, "JPEG")
            if at_least is not None:
                image.draft("RGB", (at_least, at_least))
            return image.convert("RGB")
        except Exception as error:
            raise explain(error, jpeg, "JPEG") from error


def explain(error: Exception, content: bytes, format_name: str) -> PhotoError:
    """Turn whatever Pillow and its codecs raise into a code and a sentence."""
    if isinstance(error, PhotoError):
        return error
    code, reason = _code(error, content, format_name), str(error) or type(error).__name__
    if code is ErrorCode.OUT_OF_MEMORY:
        reason = "not enough memory to decode it"
    elif format_name == "HEIF" and _NO_MODE in reason:
        reason = "of another coding than HEVC, which is not decoded here"
    return PhotoError(code, f"{format_name}: {reason}")


def _code(error: Exception, content: bytes, format_name: str) -> ErrorCode:
    message = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in message:
        return ErrorCode.OUT_OF_MEMORY
    if isinstance(error, Image.DecompressionBombError):
        return ErrorCode.TOO_MANY_PIXELS
    no_decoder = format_name == "HEIF" and _NO_MODE in message
    if isinstance(error, NotImplementedError) or no_decoder or any(word in message for word in _UNSUPPORTED):
        return ErrorCode.UNSUPPORTED_FORMAT
    if any(word in message for word in _TRUNCATED) or isinstance(error, EOFError) or ends_early(content, format_name):
        return ErrorCode.TRUNCATED
    return ErrorCode.CORRUPT


@cache
def heif_reader() -> bool:
    """Register pi-heif with Pillow (iPhones write HEIF); tell whether it is there."""
    try:
        reader = importlib.import_module("pi_heif")
    except ImportError:  # not installed, or no library for this machine in it
        return False
    # A photo at a time on each core; and neither previews nor depths, of which a file may hold any number.
    options = reader.options
    options.DECODE_THREADS = 1
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    # Without a test of the brand: what comes here was sniffed.
    Image.register_open("HEIF", reader.HeifImageFile)
    return True


def prepare_decoders() -> None:
    """Load all readers, for processes that are forked from this one; each decodes in one thread."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    heif_reader()


def _open(content: bytes, format_name: str) -> ImageFile:
    try:
        return Image.open(io.BytesIO(content), formats=[PILLOW_FORMATS[format_name]])
    except UnidentifiedImageError as error:
        raise explain(_hidden_reason(content, format_name) or error, content, format_name) from error
    except Exception as error:
        raise explain(error, content, format_name) from error


def _hidden_reason(content: bytes, format_name: str) -> Exception | None:
    """Ask the plug-in itself: Image.open keeps what a plug-in found wrong to itself."""
    factory, _ = Image.OPEN[PILLOW_FORMATS[format_name]]
    try:
        factory(io.BytesIO(content), "")
    except Exception as error:
        return error
    return None
