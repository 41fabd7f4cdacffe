"""The work on one portion: photos are decoded and brought to the model's size, texts read, and go forward together."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from udfs.images.frames import decode_frame
from udfs.images.photo_error import PhotoError
from udfs.inference.device_errors import failure_of
from udfs.inference.engine import Embedded, Failure
from udfs.inference.isolation import embed_rows
from udfs.inference.pixels import padded
from udfs.inference.timings import Clock, Seconds
from udfs.inference.vectors import unit_rows
from udfs.outcome import ErrorCode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from udfs.inference.engine import Content
    from udfs.inference.isolation import Fit
    from udfs.inference.network import Encoder
    from udfs.inference.pixels import Prepared


def embed_photos(
    encoder: "Encoder",
    jpegs: "Sequence[Content]",
    fit: "Fit | None" = None,
    static_rows: int | None = None,
    clock: Clock = time.perf_counter,
) -> Embedded:
    """Decode and forward: one portion of JPEGs to unit vectors on the calling thread; an engine of the CPU runs one
    of these per core.

    Each photo is brought to the model's size right after decoding, while it is still in the core's cache. With
    `static_rows` every batch is padded to that many rows, as a compiled model wants it. `clock` times the stages.

    Raises:
        ModelError: the model cannot do this at all.
    """
    seconds = Seconds(clock)
    prepared = [prepare_photo(encoder, jpeg, seconds) for jpeg in jpegs]

    def encode(photos: "Sequence[Prepared]") -> "NDArray[np.float32]":
        with seconds.of("copy"):
            batch = encoder.pixels.batch(photos, encoder.device, encoder.dtype)
        with seconds.of("forward"):
            features = encoder.features(padded(batch, static_rows or len(photos)))
            return unit_rows(features[: len(photos)], encoder.dimension)

    embedded = embed_rows(encode, prepared, encoder.dimension, fit)
    embedded.seconds = seconds
    return embedded


def prepare_photo(encoder: "Encoder", jpeg: "Content", seconds: Seconds) -> "Prepared | Failure":
    """Decode one sanitised JPEG and resize it for the model: its input, or the Failure that says why not."""
    if jpeg is None:
        return Failure(ErrorCode.UNREADABLE, "no photo in this row")
    try:
        with seconds.of("decode"):
            frame = decode_frame(memoryview(jpeg), encoder.pixels.at_least)
        with seconds.of("resize"):
            return encoder.pixels.prepare(frame)
    except PhotoError as error:
        return Failure(error.code, error.detail)
    except Exception as error:
        return failure_of(error)


def embed_texts(
    encoder: "Encoder", texts: "Sequence[Content]", fit: "Fit | None" = None, clock: Clock = time.perf_counter
) -> Embedded:
    """The same for texts, in UTF-8; blank ones have no vector.

    Raises:
        ModelError: the model has no text tower.
    """
    seconds = Seconds(clock)
    read = ["" if text is None else str(memoryview(text), "utf-8") for text in texts]
    inputs = [text if text.strip() else Failure(ErrorCode.EMPTY, "no text") for text in read]
    with seconds.of("forward"):
        embedded = embed_rows(encoder.encode_texts, inputs, encoder.dimension, fit)
        beyond = enumerate(encoder.tokens_cut(read))
    embedded.tokens_cut = {row: tokens for row, tokens in beyond if tokens and row not in embedded.failures}
    embedded.seconds = seconds
    return embedded
