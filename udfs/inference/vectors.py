"""What a network gives to unit vectors."""

from typing import TYPE_CHECKING

import numpy as np

from udfs.errors import ModelError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


def unit_rows(features: "torch.Tensor", dimension: int) -> "NDArray[np.float32]":
    """Features [n, dimension] of any dtype on any device to float32 rows of Euclidean length 1.

    Raises:
        ValueError: a row is not finite, or zero, so that it has no direction.
    """
    rows = features.float().cpu().numpy().astype(np.float64)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise ModelError(f"the model gives vectors of shape {rows.shape}, expected [n, {dimension}].")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.all(np.isfinite(norms)) or np.any(norms < 1e-12):
        raise ValueError("the model gave a vector that is not finite, or zero")
    unit: NDArray[np.float32] = (rows / norms).astype(np.float32)
    return unit
