"""What became of one photo, claim or narrative: a status, and a code from a closed list."""

from enum import StrEnum


class Status(StrEnum):
    """Every row that went in comes out with one of these."""

    OK = "ok"
    FAILED = "failed"


class ErrorCode(StrEnum):
    """Why a row failed. Tables carry a CHECK constraint with exactly these values."""

    EMPTY = "empty"
    """The file holds zero bytes."""
    NOT_AN_IMAGE = "not_an_image"
    """The bytes are not of any image format that is known here."""
    UNSUPPORTED_FORMAT = "unsupported_format"
    """An image, but of a format or variant that cannot be decoded here (HEIF without its plug-in, SVG, raw)."""
    TRUNCATED = "truncated"
    """The file ends before the picture does."""
    CORRUPT = "corrupt"
    """The format is known, the contents do not decode."""
    TOO_MANY_BYTES = "too_many_bytes"
    """The file is larger than settings allow."""
    TOO_MANY_PIXELS = "too_many_pixels"
    """Decoding would need more pixels than settings allow (decompression bombs)."""
    UNREADABLE = "unreadable"
    """The file was listed but its bytes could not be read."""
    OUT_OF_MEMORY = "out_of_memory"
    """The photo does not fit on the device even alone in a batch."""
    MODEL_FAILED = "model_failed"
    """The model raised an error, or gave a vector that is not finite, for this input alone."""


STATUSES = tuple(str(value) for value in Status)
ERROR_CODES = tuple(str(value) for value in ErrorCode)
