"""Small versions of photos, made on the executors so that no full photo travels to the driver."""

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from jobs.reporting.figures import TILE

if TYPE_CHECKING:
    import pyarrow as pa

THUMBNAIL_SIDE = 300
THUMBNAIL_BYTES = 16_000
"""Largest thumbnail, in bytes: with the bounded number of photos it bounds the page."""
THUMBNAIL_SCHEMA = "photo_id STRING, jpeg BINARY"


def thumbnail(jpeg: bytes, side: int = THUMBNAIL_SIDE, limit: int = THUMBNAIL_BYTES) -> bytes | None:
    """A JPEG whose longest side and bytes are at most these; None where the bytes do not decode."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            image.draft("RGB", (side * 2, side * 2))
            small = image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    while True:
        small.thumbnail((side, side))
        for quality in (78, 64, 50, 36):
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= limit:
                return buffer.getvalue()
        side = side * 3 // 4


def tile(jpeg: bytes) -> bytes | None:
    """The middle of the photo as a square JPEG of TILE pixels; None where the bytes do not decode."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            image.draft("RGB", (TILE * 2, TILE * 2))
            square = ImageOps.fit(image.convert("RGB"), (TILE, TILE))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    buffer = io.BytesIO()
    square.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def reduce_batches(kind: str) -> "Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]":
    """A mapInArrow function from (photo_id, jpeg) to the same, small; `kind` is thumbnail or tile."""

    def reduced(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        reduce = tile if kind == "tile" else thumbnail
        for batch in batches:
            small = pa.array([reduce(value.as_py()) for value in batch.column(1)], pa.binary())
            yield pa.RecordBatch.from_arrays([batch.column(0), small], names=["photo_id", "jpeg"])

    return reduced
