"""Whether a file stops before its picture does: tells a photo cut short from one that is damaged."""

from collections.abc import Callable

from udfs.images.jpeg_structure import read_structure
from udfs.images.photo_error import PhotoError
from udfs.images.tiff_directory import first_directory

_OFFSETS, _BYTE_COUNTS = (273, 324), (279, 325)


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
        directory = first_directory(content)
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
