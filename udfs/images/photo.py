"""How large a photo may be, and what became of one."""

from dataclasses import dataclass
from datetime import datetime

from udfs.outcome import ErrorCode, Status

MAXIMUM_LONGEST_SIDE = 65_500
"""What the JPEG format can hold."""
LEAST_MEMORY = 64 * 1024 * 1024
"""Bytes below which no decoder can work."""


@dataclass(frozen=True)
class SanitiseLimits:
    """How large an original may be, and how large a sanitised photo becomes. Raises ValueError when out of range.

    Pillow refuses more than 178,956,970 pixels by itself, whatever `maximum_pixels` says.
    """

    longest_side: int = 1024
    """Pixels; a smaller photo is not enlarged."""
    jpeg_quality: int = 88
    """libjpeg's scale, 1 to 100."""
    maximum_bytes: int = 64 * 1024 * 1024
    maximum_pixels: int = 150_000_000
    """By the header, before decoding. WebP, AVIF and HEIF get a third of it, JPEG 2000 a quarter."""
    maximum_seconds: float = 5.0
    """What decoding one photo may take; up to four times as long by the clock, where others have the cores. This and
    `maximum_memory` hold where a process of its own decodes (decoders/)."""
    maximum_memory: int = 1_000_000_000
    """Bytes that one photo may take beside what its process had before; counted by the system on Linux only."""

    def __post_init__(self) -> None:
        if not 1 <= self.longest_side <= MAXIMUM_LONGEST_SIDE:
            raise ValueError(f"longest_side must be 1 to {MAXIMUM_LONGEST_SIDE} pixels, it is {self.longest_side}")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality must be 1 to 100, it is {self.jpeg_quality}")
        if self.maximum_bytes < 1 or self.maximum_pixels < 1:
            raise ValueError("maximum_bytes and maximum_pixels must be 1 or more")
        if self.maximum_seconds <= 0:
            raise ValueError(f"maximum_seconds must be more than 0, it is {self.maximum_seconds}")
        if self.maximum_memory < LEAST_MEMORY:
            raise ValueError(f"maximum_memory must be {LEAST_MEMORY} bytes or more, it is {self.maximum_memory}")


@dataclass(frozen=True)
class SanitisedPhoto:
    """What became of one photo. Of a failed one, what could be learnt before it failed is kept."""

    status: Status
    error_code: ErrorCode | None = None
    error_detail: str | None = None
    """One line of at most 200 characters, without paths or bytes."""
    jpeg: bytes | None = None
    """Baseline JPEG, 4:2:0, upright, sRGB, without any metadata."""
    width: int | None = None
    height: int | None = None
    original_width: int | None = None
    """As stored, before orientation; of HEIF and AVIF once upright."""
    original_height: int | None = None
    original_format: str | None = None
    """As sniffed from the bytes: JPEG, PNG, HEIF, ..."""
    captured_at: datetime | None = None
    """Local time of the camera, without zone."""
    perceptual_hash: int | None = None
    """imagehash.phash of the sanitised JPEG, signed 64-bit."""
