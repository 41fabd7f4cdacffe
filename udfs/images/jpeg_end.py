"""Whether a JPEG that stops before its end marker has all of its picture nevertheless.

Cameras and transfers lose the marker, or half of it, more often than picture. libjpeg paints what is missing grey and
only warns, and Pillow tells nobody: simplejpeg passes the warning on.
"""

import simplejpeg

from udfs.images.jpeg_structure import JpegStructure

END_OF_IMAGE = b"\xff\xd9"
_COEFFICIENTS = 64
_PROGRESSIVE = 0xC2
_FRAME_HEADER, _COMPONENT = 10, 3


def with_end(content: bytes, structure: JpegStructure) -> bytes | None:
    """`content` with an end marker behind it, where nothing else is missing; None where some of the picture is.

    `structure` is that of `content`, and has no end. Never raises.
    """
    if not structure.scans or structure.excessive or not _all_scans(content, structure):
        return None
    # A transfer that was cut short into a file of the full length leaves zeros; one of them may be a stuffed one.
    data = content.rstrip(b"\0")
    if data.endswith(b"\xff"):
        data = data + b"\0" if len(data) < len(content) else data[:-1]
    whole = data + END_OF_IMAGE
    components = _components(content, structure)
    try:
        # At an eighth of the size: every code is read, few pixels are made.
        simplejpeg.decode_jpeg(
            whole, "CMYK" if len(components) == 4 else "RGB", min_height=1, min_width=1, min_factor=8, strict=True
        )
    except Exception:
        return None
    return whole


def _components(content: bytes, structure: JpegStructure) -> set[int]:
    """Identifiers of the components, as the frame's header lists them."""
    start = next((start for marker, start, _ in structure.segments if marker == structure.frame), None)
    if start is None:
        return set()
    first = start + _FRAME_HEADER
    return set(content[first : first + _COMPONENT * content[first - 1] : _COMPONENT])


def _all_scans(content: bytes, structure: JpegStructure) -> bool:
    """Whether the scans that are begun are all that the picture needs: each component, and each bit of it."""
    missing = {(name, number) for name in _components(content, structure) for number in range(_COEFFICIENTS)}
    if not missing:
        return False
    for after, _ in structure.scans:
        # The header ends with Ss, Se, Ah and Al, half a byte each; before them two bytes for each component.
        first, last, bits = content[after - 3], content[after - 2], content[after - 1] & 0x0F
        start = content.rfind(b"\xff\xda", 0, after)
        names = content[start + 5 : after - 3 : 2]
        if structure.frame != _PROGRESSIVE:
            first, last, bits = 0, _COEFFICIENTS - 1, 0
        if bits == 0:
            missing -= {(name, number) for name in names for number in range(first, last + 1)}
    return not missing
