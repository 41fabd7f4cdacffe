"""The photo that is asked with, from its file."""

from pathlib import Path

from jobs.settings.sections import IngestSettings
from udfs.errors import InputError


def read_photo_file(path: Path, settings: IngestSettings) -> bytes:
    """The bytes of a photo file, which may be as large as ingest takes them.

    Raises:
        InputError: it is not there, is no file, cannot be read, or is too large.
    """
    try:
        size = path.stat().st_size
        if path.is_file() and size <= settings.maximum_bytes:
            return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"--photo {path}: cannot be read ({reason}).") from None
    if not path.is_file():
        raise InputError(f"--photo {path}: is not a file; give one photo.")
    raise InputError(
        f"--photo {path}: has {size:,} bytes, ingest.maximum_bytes = {settings.maximum_bytes:,} are the most."
    )
