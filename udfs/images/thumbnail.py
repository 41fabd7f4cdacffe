"""A small JPEG of a sanitised photo: for search results, not for models."""

import io
from collections.abc import Callable, Iterator

import pyarrow as pa
from PIL import Image

from udfs.images.decode import decode_rgb
from udfs.images.photo_error import PhotoError

LONGEST_SIDE = 256
QUALITY = 80


def thumbnail(jpeg: bytes, longest_side: int = LONGEST_SIDE) -> bytes | None:
    """The photo with its longest side at most `longest_side` pixels, as JPEG; None where it does not decode."""
    try:
        small = decode_rgb(jpeg, at_least=longest_side)
    except PhotoError:
        return None
    small.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    target = io.BytesIO()
    small.save(target, "JPEG", quality=QUALITY, optimize=True)
    return target.getvalue()


def thumbnail_batches(column: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A mapInArrow function that puts thumbnails in the place of the JPEGs in `column`; the other columns pass."""

    def shrink(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            index = batch.schema.get_field_index(column)
            small = [None if jpeg is None else thumbnail(jpeg) for jpeg in batch.column(index).to_pylist()]
            yield batch.set_column(index, column, pa.array(small, pa.binary()))

    return shrink
