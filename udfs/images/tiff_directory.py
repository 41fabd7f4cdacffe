"""The first directory of a TIFF: its entries and their numbers, read without trusting any of them."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from udfs.images.photo_error import PhotoError
from udfs.outcome import ErrorCode

MAXIMUM_TIFF_ENTRIES = 4096
"""Entries of one TIFF directory. Photos have tens."""

_LARGEST = 1 << 40
_TYPES = {3: "H", 4: "I", 13: "I", 16: "Q"}


@dataclass(frozen=True)
class TiffEntry:
    """One tag of a directory: how many values of which type, and where they are."""

    type: int
    count: int
    value: bytes
    """The value, or where it stands when it does not fit."""


@dataclass(frozen=True)
class TiffDirectory:
    """A directory's entries by tag, and how its numbers are written."""

    order: str
    large: bool
    entries: dict[int, TiffEntry]

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


def first_directory(content: bytes) -> TiffDirectory | None:
    """Read the first directory of a TIFF or BigTIFF; None when it does not lie within the file.

    Raises:
        PhotoError: CORRUPT, an absurd number of entries.
    """
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
    return TiffDirectory(order, large, {tag: TiffEntry(*rest) for tag, *rest in entries})
