"""The model's input from pictures that an engine has decoded and resized itself: cut, scaled, normalised."""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.benchmarks.contract import Work
from tests.benchmarks.models import SIDE
from tests.benchmarks.work_sets import SETS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def target_size(work: Work) -> tuple[int, int]:
    """(width, height) that the model's processor resizes to: a square for MobileNet, the shorter side for CLIP."""
    if work.encoder == "mobilenet":
        return SIDE, SIDE
    kind = SETS[work.set]
    shorter = min(kind.width, kind.height)
    return kind.width * SIDE // shorter, kind.height * SIDE // shorter


def normalisation(model_directory: Path) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of the model's processor, for values from 0 to 1."""
    values = json.loads((model_directory / "preprocessor_config.json").read_text())
    return values["image_mean"], values["image_std"]


@functools.cache
def pixel_function(
    model_directory: str, encoder: str, threads: int
) -> "Callable[[Sequence[NDArray[np.uint8] | None]], list[NDArray[np.float32] | None]]":
    """Resized RGB pictures (uint8 [height, width, 3], None where broken) to unit vectors, by the float32 model."""
    import torch

    from tests.benchmarks.batch_functions import hugging_face_model

    torch.set_num_threads(threads)
    features = hugging_face_model(model_directory)
    mean, std = (torch.tensor(values)[:, None, None] for values in normalisation(Path(model_directory)))

    def embed(pictures: "Sequence[NDArray[np.uint8] | None]") -> "list[NDArray[np.float32] | None]":
        vectors: list[NDArray[np.float32] | None] = [None] * len(pictures)
        kept = {row: _centre(picture) for row, picture in enumerate(pictures) if picture is not None}
        if kept:
            frames = torch.from_numpy(np.stack(list(kept.values()))).permute(0, 3, 1, 2)
            for row, vector in zip(kept, features((frames.float() / 255 - mean) / std), strict=True):
                vectors[row] = vector
        return vectors

    return embed


def _centre(picture: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    top, left = (picture.shape[0] - SIDE) // 2, (picture.shape[1] - SIDE) // 2
    return picture[top : top + SIDE, left : left + SIDE]
