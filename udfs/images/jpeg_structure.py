"""The marker structure of a JPEG, read without decoding it (ITU-T T.81, annex B).

libjpeg mends what it can: where the data ends too soon but an end marker follows, it paints the rest grey and says so
only in a warning that Pillow does not pass on. And it decodes as many scans as a file holds, each over the whole
picture. Both are seen here, before decoding.
"""

import re
from dataclasses import dataclass

from udfs.images.photo_error import PhotoError
from udfs.outcome import ErrorCode

MAXIMUM_SCANS = 100
"""Scans of one picture. Encoders write 1 to about 20; each is a pass over all of its blocks."""
MAXIMUM_MARKERS = 4096
"""Markers of one picture. Photos have tens to some hundreds; each costs the parser time and memory."""
MAXIMUM_JUNK = 65_536
"""Bytes between the header's segments, which Pillow skips one by one."""
MAXIMUM_EXIF_SEGMENTS = 16
"""Pillow joins them one by one, so that many cost the square of their number. Cameras write one."""

_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA
_HUFFMAN_SEQUENTIAL = {0xC0, 0xC1}
_PROGRESSIVE = {0xC2, 0xCA}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_METADATA = {0xE1, *range(0xE3, 0xEE), 0xEF, 0xFE}
# A marker with something to it: not a stuffed zero, a restart (both stand within scans), filling or a lone start.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
# A decoder looks a few bytes ahead. Stuffed ones are no valid code, so these cannot stand in for missing picture.
_LOOK_AHEAD = b"\xff\x00" * 8


@dataclass(frozen=True)
class JpegStructure:
    """Where the parts of the first picture of a JPEG stand, as offsets into the file."""

    frame: int | None
    """Second byte of the start-of-frame marker (0xC0 baseline, 0xC2 progressive), None when there is none."""
    segments: tuple[tuple[int, int, int], ...]
    """Header segments before the first scan: marker, start, end."""
    scans: tuple[tuple[int, bool], ...]
    """For each scan the start of its coded data, and whether it holds anything but blocks' averages."""
    first_scan_end: int | None
    """Where the coded data of the first scan meets a marker, None when the file stops before."""
    end: int | None
    """Start of the end-of-image marker, None when the file stops before it."""
    excessive: bool
    """Whether a limit of this module stopped the walk."""


def read_structure(content: bytes) -> JpegStructure:
    """Walk the markers of the first picture in `content`.

    Stops where a limit of this module is exceeded. Never raises: what is not there is None or missing from the tuples.
    """
    frame: int | None = None
    segments: list[tuple[int, int, int]] = []
    scans: list[tuple[int, bool]] = []
    first_scan_end: int | None = None
    end: int | None = None
    position, markers, junk = 2, 0, 0
    while markers <= MAXIMUM_MARKERS and junk <= MAXIMUM_JUNK and len(scans) <= MAXIMUM_SCANS:
        found = _MARKER.search(content, position)
        if found is None:
            break
        start, marker = found.end() - 2, content[found.end() - 1]
        markers += 1
        if not scans:
            junk += start - position
        elif first_scan_end is None:
            first_scan_end = start
        if marker == _END_OF_IMAGE:
            end = start
            break
        after = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
        if after > len(content):
            break
        if marker in _FRAMES:
            frame = marker
        if marker == _START_OF_SCAN:
            # Ss, Se and Ah/Al close the header: Se is above zero where the scan holds more than averages.
            scans.append((after, content[after - 2] > 0))
        elif not scans:
            segments.append((marker, start, after))
        position = after
    excessive = markers > MAXIMUM_MARKERS or junk > MAXIMUM_JUNK or len(scans) > MAXIMUM_SCANS
    return JpegStructure(frame, tuple(segments), tuple(scans), first_scan_end, end, excessive)


def picture_bytes(content: bytes, structure: JpegStructure) -> bytes:
    """Give the bytes of the first picture alone, such that a decoder that runs out of data cannot fail to say so.

    What follows the end marker (further pictures, a film, padding) is left out. Raises PhotoError TRUNCATED where the
    structure alone shows that most of the picture is missing, CORRUPT where a limit of this module is exceeded.
    """
    if structure.excessive:
        raise PhotoError(ErrorCode.CORRUPT, "JPEG: more scans, markers or stray bytes than any photo has")
    if structure.frame in _HUFFMAN_SEQUENTIAL and len(structure.scans) == 1 and structure.first_scan_end is not None:
        # Without a marker nothing tells the decoder to paint grey: it asks for more data, and there is none.
        return content[: structure.first_scan_end] + _LOOK_AHEAD
    if structure.end is None:
        # A download cut short into a file of the full length leaves zeros, which decode as flat grey.
        return content.rstrip(b"\0")
    if structure.frame in _PROGRESSIVE and not any(details for _, details in structure.scans):
        raise PhotoError(ErrorCode.TRUNCATED, "JPEG: the file ends in the first scan of a progressive picture")
    return content[: structure.end + 2]


def has_too_much_exif(content: bytes, structure: JpegStructure) -> bool:
    """Tell whether the EXIF segments are so many that joining them would cost more than the picture."""
    exif = sum(content.startswith(b"Exif\0\0", start + 4) for marker, start, _ in structure.segments if marker == 0xE1)
    return exif > MAXIMUM_EXIF_SEGMENTS


def without_metadata(content: bytes, structure: JpegStructure) -> bytes:
    """Give `content` without EXIF, XMP, comments and makers' segments; colour (APP2 profile, APP14 Adobe) is kept."""
    kept = bytearray()
    position = 0
    for marker, start, end in structure.segments:
        if marker in _METADATA:
            kept += content[position:start]
            position = end
    return bytes(kept + content[position:])
