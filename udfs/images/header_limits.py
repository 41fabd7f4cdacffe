"""What a file's header promises: refused before a decoder believes it, and compared with the file's real length."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from udfs.images.jpeg_structure import read_structure
from udfs.images.photo_error import PhotoError
from udfs.outcome import ErrorCode

MAXIMUM_TIFF_VALUES = 262_144
"""Values of one TIFF entry, such as the offsets of strips. A page of 150 million pixels has about ten thousand strips;
each becomes an object."""
MAXIMUM_TIFF_ENTRIES = 4096
"""Entries of one TIFF directory. Photos have tens."""
MAXIMUM_PNG_CHUNKS = 100_000
"""Chunks of one PNG: Pillow reads each in Python. Encoders cut the picture into chunks of 4 kB or more."""
MAXIMUM_GIF_BLOCKS = 20_000
"""Blocks of comments and extensions in front of the first picture of a GIF, of 255 bytes each."""
MAXIMUM_TILE_PIXELS = 4096 * 4096
"""A TIFF tile is decoded whole, however small the picture is that it belongs to."""

_SUBFILE_TYPE, _WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 254, 256, 257, 322, 323
_OFFSETS, _BYTE_COUNTS = (273, 324), (279, 325)
_SUB_DIRECTORIES, _DNG_VERSION = 330, 50706
_LARGEST = 1 << 40
_BYTES = {1, 2, 6, 7}
_TYPES = {3: "H", 4: "I", 13: "I", 16: "Q"}


@dataclass(frozen=True)
class _Entry:
    type: int
    count: int
    value: bytes
    """The value, or where it stands when it does not fit."""


@dataclass(frozen=True)
class _Directory:
    order: str
    large: bool
    entries: dict[int, _Entry]

    def numbers(self, content: bytes, tag: int) -> NDArray[np.int64]:
        """Whole numbers of a tag; none when the tag is missing, of another type or outside the file."""
        entry = self.entries.get(tag)
        kind = _TYPES.get(entry.type) if entry else None
        if entry is None or kind is None:
            return np.zeros(0, dtype=np.int64)
        needed = struct.calcsize(kind) * entry.count
        data = entry.value
        if needed > len(data):
            start = int.from_bytes(data, "little" if self.order == "<" else "big")
            data = content[start : start + needed]
        if len(data) < needed:
            return np.zeros(0, dtype=np.int64)
        numbers = np.frombuffer(data[:needed], dtype=np.dtype(f"{self.order}u{struct.calcsize(kind)}"))
        # Clipped, so that sums and products of hostile numbers stay numbers.
        clipped: NDArray[np.int64] = np.minimum(numbers.astype(np.uint64), np.uint64(_LARGEST)).astype(np.int64)
        return clipped

    def number(self, content: bytes, tag: int) -> int:
        """First whole number of a tag, 0 when there is none."""
        numbers = self.numbers(content, tag)
        return int(numbers[0]) if len(numbers) else 0


def _first_directory(content: bytes) -> _Directory | None:
    """Read the first directory of a TIFF or BigTIFF; None when it does not lie within the file."""
    order = "<" if content[:2] == b"II" else ">"
    large = content[2:4] in {b"+\x00", b"\x00+"}
    try:
        (start,) = struct.unpack_from(order + ("Q" if large else "I"), content, 8 if large else 4)
        (count,) = struct.unpack_from(order + ("Q" if large else "H"), content, start)
    except (struct.error, OverflowError):
        return None
    if count > MAXIMUM_TIFF_ENTRIES:
        raise PhotoError(ErrorCode.CORRUPT, f"TIFF: more than {MAXIMUM_TIFF_ENTRIES} entries in the directory")
    layout = struct.Struct(order + ("HHQ8s" if large else "HHI4s"))
    start += 8 if large else 2
    if start + count * layout.size > len(content):
        return None
    entries = layout.iter_unpack(content[start : start + count * layout.size])
    return _Directory(order, large, {tag: _Entry(*rest) for tag, *rest in entries})


def check_tiff(content: bytes) -> None:
    """Refuse a TIFF whose directory would cost far more than its picture, and raw files that are TIFFs in form.

    Raises PhotoError CORRUPT (absurd number of entries or strips), TOO_MANY_PIXELS (one tile larger than any picture)
    or UNSUPPORTED_FORMAT (camera raw: its first page is a thumbnail, which must not pass as the photo).
    """
    directory = _first_directory(content)
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


def ends_early(content: bytes, format_name: str) -> bool:
    """Tell whether the file stops before the place where its format says it ends.

    Asked only about files that did not decode, to tell TRUNCATED from CORRUPT. Never raises.
    """
    test = _ENDS_EARLY.get(format_name)
    return test is not None and test(content)


def _boxes_end_early(content: bytes) -> bool:
    """Walk the top boxes of an ISO base media file (ISO/IEC 14496-12): each begins with its length."""
    position = 0
    while position < len(content):
        size = int.from_bytes(content[position : position + 4], "big")
        if size == 1:
            size = int.from_bytes(content[position + 8 : position + 16], "big")
        if size == 0:
            return False
        if size < 8:
            return len(content) - position < 8
        position += size
    return position > len(content)


def _tiff_ends_early(content: bytes) -> bool:
    try:
        directory = _first_directory(content)
    except PhotoError:
        return False
    if directory is None:
        return True
    for offsets_tag, counts_tag in zip(_OFFSETS, _BYTE_COUNTS, strict=True):
        offsets = directory.numbers(content, offsets_tag)
        counts = directory.numbers(content, counts_tag)
        if len(offsets) and len(offsets) == len(counts) and int((offsets + counts).max()) > len(content):
            return True
    return False


CHECKS: dict[str, Callable[[bytes], None]] = {"TIFF": check_tiff, "PNG": check_png, "GIF": check_gif}
"""What is looked at before Pillow is, by format; JPEG's own module reads its structure."""

_ENDS_EARLY: dict[str, Callable[[bytes], bool]] = {
    "JPEG": lambda content: read_structure(content).end is None,
    "PNG": lambda content: b"IEND" not in content[-4096:],
    "GIF": lambda content: not content.rstrip(b"\0").endswith(b";"),
    "WEBP": lambda content: int.from_bytes(content[4:8], "little") + 8 > len(content),
    "BMP": lambda content: int.from_bytes(content[10:14], "little") >= len(content),
    "JPEG2000": lambda content: b"\xff\xd9" not in content[-64:],
    "AVIF": _boxes_end_early,
    "HEIF": _boxes_end_early,
    "TIFF": _tiff_ends_early,
}
