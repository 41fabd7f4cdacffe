"""JPEGs to unit vectors in the two ways that most engines run: as everyone writes it, and by claimlens' kernel.

Each process keeps its model: loading it again in every task, as notebooks do, would be counted against the engine.
"""

import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.benchmarks.contract import SAME_KERNEL, Work

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

BatchFunction = Callable[[Sequence[bytes]], "list[NDArray[np.float32] | None]"]
BATCH_ROWS = {"mobilenet": 8, "clip": 16}
"""What is quickest on a CPU for the models as transformers loads them. MobileNet takes almost twice the time in batches
of 32; CLIP takes the same."""
DIMENSIONS = {"mobilenet": 1024, "clip": 512}


def batch_function(work: Work, threads: int = 1) -> BatchFunction:
    """The batch function of a cell in this process; `threads` per operation of torch."""
    if work.track == SAME_KERNEL:
        return same_kernel(str(work.model), threads)
    return hugging_face(str(work.model), BATCH_ROWS[work.encoder], threads)


@functools.cache
def hugging_face(model_directory: str, batch_rows: int, threads: int) -> BatchFunction:
    """Pillow, the model's own processor and the model in float32, so many rows at a time."""
    import torch
    from transformers import AutoImageProcessor

    torch.set_num_threads(threads)
    processor = AutoImageProcessor.from_pretrained(model_directory)
    features = hugging_face_model(model_directory)

    def embed(jpegs: Sequence[bytes]) -> "list[NDArray[np.float32] | None]":
        vectors: list[NDArray[np.float32] | None] = [None] * len(jpegs)
        for start in range(0, len(jpegs), batch_rows):
            pictures = {
                row: picture
                for row in range(start, min(start + batch_rows, len(jpegs)))
                if (picture := opened(jpegs[row])) is not None
            }
            if pictures:
                pixels = processor(images=list(pictures.values()), return_tensors="pt")["pixel_values"]
                for row, vector in zip(pictures, features(pixels), strict=True):
                    vectors[row] = vector
        return vectors

    return embed


def hugging_face_model(model_directory: str) -> "Callable[[torch.Tensor], NDArray[np.float32]]":
    """Pixel values [n, 3, height, width] to unit vectors [n, dimension], by the model as transformers loads it."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(model_directory).eval()

    def features(pixels: "torch.Tensor") -> "NDArray[np.float32]":
        with torch.inference_mode():
            is_clip = hasattr(model, "get_image_features")
            output: Any = model.get_image_features(pixels) if is_clip else model(pixels)
            rows = getattr(output, "pooler_output", output)
            return torch.nn.functional.normalize(rows.flatten(1)).numpy()

    return features


def opened(jpeg: bytes) -> Any:
    """A decoded RGB picture of Pillow, or None where the file is broken."""
    from PIL import Image

    try:
        return Image.open(io.BytesIO(jpeg)).convert("RGB")
    except OSError:
        return None


@functools.cache
def same_kernel(model_directory: str, threads: int) -> BatchFunction:
    """claimlens' own kernel on the calling thread, in portions of the size that it likes best."""
    import torch

    from udfs.inference.photos import embed_photos

    torch.set_num_threads(threads)
    encoder = kernel_encoder(Path(model_directory))

    def embed(jpegs: Sequence[bytes]) -> "list[NDArray[np.float32] | None]":
        vectors: list[NDArray[np.float32] | None] = []
        for start in range(0, len(jpegs), encoder.portion):
            embedded = embed_photos(encoder, jpegs[start : start + encoder.portion])
            rows = enumerate(embedded.vectors)
            vectors += [None if row in embedded.failures else vector for row, vector in rows]
        return vectors

    return embed


def kernel_encoder(model_directory: Path) -> Any:
    """The encoder as the product loads it by default."""
    from tests.benchmarks.models import reference_to
    from udfs.models.transformers.kind import load_encoder

    return load_encoder(reference_to(model_directory, "cpu"))


def as_lists(vectors: "Sequence[NDArray[np.float32] | None]") -> Any:
    """Vectors as an Arrow array of list<float>, without a Python object per float."""
    import pyarrow as pa

    kept = [vector for vector in vectors if vector is not None]
    flat = np.concatenate(kept) if kept else np.empty(0, np.float32)
    missing = np.array([vector is None for vector in vectors], bool)
    lengths = [0 if vector is None else len(vector) for vector in vectors]
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(flat), mask=pa.array(missing))
