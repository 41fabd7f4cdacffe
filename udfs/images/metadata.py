"""The two things worth keeping of a photo's metadata: which way is up, and when it was taken."""

import re
from datetime import datetime

from PIL import ExifTags
from PIL.Image import Exif
from PIL.ImageFile import ImageFile

EARLIEST_YEAR, LATEST_YEAR = 1826, 2200
"""From the first photograph on; cameras without a set clock, and hostile files, name any year."""
MAXIMUM_EXIF_BYTES = 2 * 1024 * 1024
"""Cameras write up to 64 kB; of hostile bytes the parser makes many objects."""

_CAPTURE_TIME = re.compile(
    r"(\d{4})[:\-/.](\d{1,2})[:\-/.](\d{1,2})[ T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?(?:\.\d*)?(?:Z|[+-]\d\d:?\d\d)?"
)


def read_exif(image: ImageFile) -> Exif | None:
    """EXIF of an opened and loaded image, None when it is broken or huge: a photo is not lost for its metadata."""
    if len(image.info.get("exif") or b"") > MAXIMUM_EXIF_BYTES:
        return None
    try:
        return image.getexif()
    except Exception:
        # The parser meets hostile bytes and raises nearly anything.
        return None


def orientation(exif: Exif | None) -> int:
    """EXIF orientation, 1 to 8; 1 (upright) when it is missing or invalid."""
    value = exif.get(ExifTags.Base.Orientation) if exif is not None else None
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def capture_time(exif: Exif | None) -> datetime | None:
    """Local time of the camera's clock, without zone: DateTimeOriginal, else DateTimeDigitized, else DateTime.

    A value that is no time of any calendar (0000:00:00, 30 February) counts as missing.
    """
    if exif is None:
        return None
    try:
        details = exif.get_ifd(ExifTags.IFD.Exif)
    except Exception:
        # A broken sub-directory leaves the main one readable.
        details = {}
    values = (
        details.get(ExifTags.Base.DateTimeOriginal),
        details.get(ExifTags.Base.DateTimeDigitized),
        exif.get(ExifTags.Base.DateTime),
    )
    return next((time for time in map(_parse_time, values) if time is not None), None)


def _parse_time(value: object) -> datetime | None:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        return None
    found = _CAPTURE_TIME.fullmatch(text.strip(" \t\r\n\0"))
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    if not EARLIEST_YEAR <= year <= LATEST_YEAR:
        return None
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
