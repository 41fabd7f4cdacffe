"""Small versions of photos, made on the executors so that no full photo travels to the driver."""

from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa

from udfs.functions.batches import BatchFunction
from udfs.images.thumbnail import LONGEST_SIDE, thumbnail, tile


def thumbnail_batches(column: str, longest_side: int = LONGEST_SIDE, most_bytes: int | None = None) -> BatchFunction:
    """A mapInArrow function that puts thumbnails in the place of the JPEGs in `column`; the other columns pass.

    A JPEG that does not decode becomes null.
    """
    return partial(
        _replaced, column=column, reduce=partial(thumbnail, longest_side=longest_side, most_bytes=most_bytes)
    )


def tile_batches(column: str, side: int) -> BatchFunction:
    """The same with square pieces from the middle, `side` pixels wide."""
    return partial(_replaced, column=column, reduce=partial(tile, side=side))


def _replaced(
    batches: Iterator[pa.RecordBatch], *, column: str, reduce: Callable[[bytes], bytes | None]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        index = batch.schema.get_field_index(column)
        small = [None if jpeg is None else reduce(jpeg) for jpeg in batch.column(index).to_pylist()]
        yield batch.set_column(index, column, pa.array(small, pa.binary()))
