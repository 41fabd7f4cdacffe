"""How near the vectors come to those of the slow way: Pillow in full, the model's own processor, float32."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from udfs.images.decode import decode_rgb
from udfs.images.frames import decode_frame, frame_shape
from udfs.inference.network import Encoder
from udfs.inference.pixels import Pixels
from udfs.inference.vectors import unit_rows
from udfs.models import ModelReference
from udfs.models.reference import model_directory
from udfs.models.transformers.checkpoint import quiet, torch_device
from udfs.models.transformers.description import describe
from udfs.models.transformers.kind import load_encoder
from udfs.models.transformers.pixels import photo_pixels, photo_processor
from udfs.models.transformers.vision import pooled, tower_output

PORTION = 8

Head = Callable[[NDArray[np.float32]], NDArray[Any]]
"""Unit rows to one label each, as a fitted classifier's predict."""


@dataclass(frozen=True)
class Fidelity:
    """Cosines between the vectors of the slow way and those in use, per photo; and how often a head says the same."""

    photos: int
    shrunk: int
    """Photos that libjpeg may shrink; the others count with their cosines in full."""
    minimum: float
    """Smallest cosine, photos decoded in full."""
    mean: float
    scaled_minimum: float
    """Smallest cosine, photos shrunk by libjpeg."""
    scaled_mean: float
    agreement: float | None
    """Share of photos with the same label, photos decoded in full; None without a head."""
    scaled_agreement: float | None


def fidelity(
    reference: ModelReference,
    jpegs: Sequence[bytes],
    head: Head | None = None,
    expected: NDArray[np.float32] | None = None,
) -> Fidelity:
    """Compare `reference`, in its own dtype and on its own device, with the slow way, on sanitised JPEGs.

    `expected` are slow_vectors of these, where they are there already.

    Raises:
        PhotoError: a photo does not decode.
        ModelError: the model does not load.
    """
    expected = slow_vectors(reference, jpegs) if expected is None else expected
    encoder, directory = load_encoder(reference), model_directory(reference)
    in_full = photo_pixels(directory, reference.name, scaled=False)
    scaled = photo_pixels(directory, reference.name, scaled=True)
    shrunk = [row for row, jpeg in enumerate(jpegs) if frame_shape(jpeg, scaled.at_least) != frame_shape(jpeg)]
    vectors = _vectors(encoder, in_full, jpegs)
    scaled_vectors = vectors.copy()
    if shrunk:
        scaled_vectors[shrunk] = _vectors(encoder, scaled, [jpegs[row] for row in shrunk])
    both = (vectors, scaled_vectors)
    cosines, scaled_cosines = ((rows * expected).sum(axis=1) for rows in both)
    shares = [None if head is None else float(np.mean(head(rows) == head(expected))) for rows in both]
    return Fidelity(
        photos=len(jpegs),
        shrunk=len(shrunk),
        minimum=float(cosines.min()),
        mean=float(cosines.mean()),
        scaled_minimum=float(scaled_cosines.min()),
        scaled_mean=float(scaled_cosines.mean()),
        agreement=shares[0],
        scaled_agreement=shares[1],
    )


def slow_vectors(reference: ModelReference, jpegs: Sequence[bytes]) -> NDArray[np.float32]:
    """Unit rows the way of the model's authors: Pillow, Hugging Face's processor and network as they are, float32."""
    import torch
    from transformers import AutoModel

    description, directory = describe(reference), model_directory(reference)
    processor = photo_processor(directory, reference.name)
    with quiet():
        network = AutoModel.from_pretrained(directory, dtype=torch.float32, local_files_only=True)
    network = network.to(torch_device(reference.device)).eval()
    rows = []
    for portion in _portions(jpegs):
        batch = processor(images=[decode_rgb(jpeg) for jpeg in portion], return_tensors="pt").to(network.device)
        with torch.inference_mode():
            if description.has_text:
                features = tower_output(network.get_image_features(**batch))
            else:
                features = pooled(network(**batch), description.pooling)
            rows.append(unit_rows(features, description.dimension))
    return np.concatenate(rows)


def _vectors(encoder: Encoder, pixels: Pixels, jpegs: Sequence[bytes]) -> NDArray[np.float32]:
    rows = []
    for portion in _portions(jpegs):
        prepared = [pixels.prepare(decode_frame(jpeg, pixels.at_least)) for jpeg in portion]
        features = encoder.features(pixels.batch(prepared, encoder.device, encoder.dtype))
        rows.append(unit_rows(features, encoder.dimension))
    return np.concatenate(rows)


def _portions(jpegs: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(jpegs), PORTION):
        yield jpegs[start : start + PORTION]
