"""Limits on what a header may announce: absurd ones are refused before a decoder believes them."""

from collections.abc import Callable

from udfs.images.photo_error import PhotoError
from udfs.images.tiff_directory import first_directory
from udfs.outcome import ErrorCode

MAXIMUM_TIFF_VALUES = 262_144
"""Values of one TIFF entry, such as the offsets of strips. A page of 150 million pixels has about ten thousand strips;
each becomes an object."""
MAXIMUM_PNG_CHUNKS = 100_000
"""Chunks of one PNG: Pillow reads each in Python. Encoders cut the picture into chunks of 4 kB or more."""
MAXIMUM_GIF_BLOCKS = 20_000
"""Blocks of comments and extensions in front of the first picture of a GIF, of 255 bytes each."""
MAXIMUM_TILE_PIXELS = 4096 * 4096
"""A TIFF tile is decoded whole, however small the picture is that it belongs to."""

_SUBFILE_TYPE, _WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 254, 256, 257, 322, 323
_SUB_DIRECTORIES, _DNG_VERSION = 330, 50706
_BYTES = {1, 2, 6, 7}


def check_tiff(content: bytes) -> None:
    """Refuse a TIFF whose directory would cost far more than its picture, and raw files that are TIFFs in form.

    Raises PhotoError CORRUPT (absurd number of entries or strips), TOO_MANY_PIXELS (one tile larger than any picture)
    or UNSUPPORTED_FORMAT (camera raw: its first page is a thumbnail, which must not pass as the photo).
    """
    directory = first_directory(content)
    if directory is None:
        return
    if any(entry.count > MAXIMUM_TIFF_VALUES and entry.type not in _BYTES for entry in directory.entries.values()):
        raise PhotoError(ErrorCode.CORRUPT, f"TIFF: an entry of more than {MAXIMUM_TIFF_VALUES} values")
    tile = directory.number(content, _TILE_WIDTH) * directory.number(content, _TILE_HEIGHT)
    picture = directory.number(content, _WIDTH) * directory.number(content, _HEIGHT)
    if tile > max(MAXIMUM_TILE_PIXELS, picture):
        raise PhotoError(ErrorCode.TOO_MANY_PIXELS, f"TIFF: one tile of {tile} pixels for a picture of {picture}")
    is_preview = directory.number(content, _SUBFILE_TYPE) & 1 and _SUB_DIRECTORIES in directory.entries
    if is_preview or _DNG_VERSION in directory.entries:
        raise PhotoError(ErrorCode.UNSUPPORTED_FORMAT, "camera raw: only its small preview could be read here")


def check_png(content: bytes) -> None:
    """Refuse a PNG of so many chunks that reading past them would take long. Raises PhotoError CORRUPT."""
    position = 8
    for _ in range(MAXIMUM_PNG_CHUNKS):
        if position >= len(content) or content[position + 4 : position + 8] == b"IEND":
            return
        position += 12 + int.from_bytes(content[position : position + 4], "big")
    raise PhotoError(ErrorCode.CORRUPT, f"PNG: more than {MAXIMUM_PNG_CHUNKS} chunks")


def check_gif(content: bytes) -> None:
    """Refuse a GIF with a flood of comments before its first picture. Raises PhotoError CORRUPT."""
    flags = content[10] if len(content) > 10 else 0
    position = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    blocks = 0
    while content[position : position + 1] == b"!":
        position += 2
        while position < len(content) and content[position]:
            position += 1 + content[position]
            blocks += 1
            if blocks > MAXIMUM_GIF_BLOCKS:
                raise PhotoError(ErrorCode.CORRUPT, f"GIF: more than {MAXIMUM_GIF_BLOCKS} blocks before the picture")
        position += 1
        blocks += 1


CHECKS: dict[str, Callable[[bytes], None]] = {"TIFF": check_tiff, "PNG": check_png, "GIF": check_gif}
"""What is looked at before Pillow is, by format; JPEG's own module reads its structure."""
