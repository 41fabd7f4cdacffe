"""What a network gives to unit vectors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from udfs.errors import ModelError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


class NoDirectionError(ValueError):
    """Rows that are not finite, or zero: `rows` are their numbers; `vectors` holds all rows, these as zeros."""

    def __init__(self, rows: Sequence[int], vectors: "NDArray[np.float32]") -> None:
        super().__init__("the model gave a vector that is not finite, or zero")
        self.rows = rows
        self.vectors = vectors


def unit_rows(features: "torch.Tensor", dimension: int) -> "NDArray[np.float32]":
    """Features [n, dimension] of any dtype on any device to float32 rows of Euclidean length 1.

    Raises:
        ModelError: the features have another shape.
        NoDirectionError: a row is not finite, or zero; the error says which, and holds the others.
    """
    rows = features.float().cpu().numpy().astype(np.float64)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise ModelError(f"the model gives vectors of shape {rows.shape}, expected [n, {dimension}].")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    usable = np.isfinite(norms[:, 0]) & (norms[:, 0] >= 1e-12)
    if usable.all():
        unit: NDArray[np.float32] = (rows / norms).astype(np.float32)
        return unit
    unit = np.zeros(rows.shape, np.float32)
    unit[usable] = rows[usable] / norms[usable]
    raise NoDirectionError(np.flatnonzero(~usable).tolist(), unit)
