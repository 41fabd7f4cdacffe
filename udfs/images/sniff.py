"""Which image format some bytes are of, by their first bytes alone; file names and media types lie.

A name that can be decoded here is a key of `udfs.images.decode.PILLOW_FORMATS`; any other name is a format that is
known but not decoded; None is no image at all.
"""

import re
from collections.abc import Callable

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"II\xbc\x01", "JPEG XR"),
    # Canon's raw is a TIFF whose first picture is a preview: it must not pass as a TIFF.
    (b"II*\x00\x10\x00\x00\x00CR", "RAW"),
    (b"IIRO", "RAW"),
    (b"IIRS", "RAW"),
    (b"MMOR", "RAW"),
    (b"IIU\x00", "RAW"),
    (b"FUJIFILMCCD-RAW", "RAW"),
    (b"FOVb", "RAW"),
    (b"\x00MRM", "RAW"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00\x08\x00\x00\x00", "TIFF"),
    (b"MM\x00+\x00\x08\x00\x00", "TIFF"),
    (b"8BPS", "PSD"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"\x01\x00\x09\x00\x00\x03", "WMF"),
    (b"icns", "ICNS"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"\x01\xda\x00", "SGI"),
    (b"\x01\xda\x01", "SGI"),
    (b"\x59\xa6\x6a\x95", "SUN"),
    (b"#?RADIANCE", "HDR"),
    (b"\x76\x2f\x31\x01", "EXR"),
    (b"SIMPLE  =", "FITS"),
    (b"/* XPM */", "XPM"),
    (b"\x8aMNG\r\n\x1a\n", "MNG"),
    (b"\x8bJNG\r\n\x1a\n", "JNG"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
    (b"gimp xcf", "XCF"),
    (b"AT&TFORM", "DJVU"),
)

_PORTABLE_ANYMAP = re.compile(rb"P[1-7F][ \t\r\n]+(?:#|-?\d|WIDTH)")
_X_BITMAP = re.compile(rb"#define \w+_width \d")
# The root element itself: a web page saved under a photo's name may hold an <svg> further in. Atomic groups, so that
# hostile text costs no backtracking.
_SVG = re.compile(
    rb"(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE\s+svg(?:[^\[>]|\[.*?\])*+>)*+<(?:\w+:)?svg[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}


def sniff_format(content: bytes) -> str | None:
    """Name the image format of `content`, or None when its first bytes are of no image format known here.

    Only the first few kilobytes are looked at, and the name says nothing about whether the rest can be decoded.
    Never raises.
    """
    head = content[:4096]
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    return _by_structure(head) or _by_text(head) or _by_footer(content)


def _by_structure(head: bytes) -> str | None:
    """Formats whose signature is too short, or stands further in, to be told by a prefix."""
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    return next((name for name, holds in _STRUCTURES.items() if holds(head)), None)


def _is_bmp(head: bytes) -> bool:
    # "BM" alone begins many a text; a real header says its own length, a small number.
    return head[:2] == b"BM" and len(head) >= 18 and 12 <= int.from_bytes(head[14:18], "little") <= 255


def _is_icon(head: bytes, kind: int) -> bool:
    # An icon counts its pictures, and the first entry's reserved byte is zero.
    if head[:4] != bytes([0, 0, kind, 0]) or len(head) < 22:
        return False
    return 1 <= int.from_bytes(head[4:6], "little") <= 255 and head[9] == 0


def _is_pcx(head: bytes) -> bool:
    if len(head) < 128:
        return False
    return head[0] == 0x0A and head[1] in {0, 2, 3, 4, 5} and head[2] == 1 and head[3] in {1, 2, 4, 8}


_STRUCTURES: dict[str, Callable[[bytes], bool]] = {
    "WEBP": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "BMP": _is_bmp,
    "ICO": lambda head: _is_icon(head, 1),
    "CUR": lambda head: _is_icon(head, 2),
    "PCX": _is_pcx,
    "FLI": lambda head: len(head) >= 128 and head[4:6] in {b"\x11\xaf", b"\x12\xaf"},
    "EMF": lambda head: head[:4] == b"\x01\x00\x00\x00" and head[40:44] == b" EMF",
    "DICOM": lambda head: head[128:132] == b"DICM",
}


def _by_brand(head: bytes) -> str | None:
    """Tell AVIF, HEIF and raw apart from the films that share their container."""
    size = min(max(int.from_bytes(head[:4], "big"), 16), 256)
    major = head[8:12]
    brands = {major, *(head[start : start + 4] for start in range(16, size, 4))}
    if major == b"crx ":
        return "RAW"
    if major in _AVIF_BRANDS or (major in _HEIF_BRANDS and brands & _AVIF_BRANDS):
        return "AVIF"
    return "HEIF" if major in _HEIF_BRANDS else None


def _by_text(head: bytes) -> str | None:
    """Formats that are written as text, or begin with some."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _SVG.match(text):
        return "SVG"
    if b"%PDF-" in head[:1024]:
        return "PDF"
    if _PORTABLE_ANYMAP.match(head):
        return "PNM"
    return "XBM" if _X_BITMAP.match(text) else None


def _by_footer(content: bytes) -> str | None:
    """Targa has no signature in front, and one at the end only since version 2."""
    return "TGA" if content[-18:] == b"TRUEVISION-XFILE.\x00" else None
