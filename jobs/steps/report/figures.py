"""Numbers into pictures: the two-dimensional map and the sheet of small photos behind it."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

TILE = 56
"""Side of a map photo in pixels."""
SHEET_BYTES = 1_600_000
"""Largest sheet of map photos, in bytes before base64."""
NEIGHBOURHOOD_LIMIT = 2_000
"""Up to so many points t-SNE is quick enough to be worth its better picture."""

# Okabe and Ito's colours, told apart with every common colour blindness; shapes repeat the message.
PALETTE: tuple[str, ...] = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#b8a900",
    "#6a51a3",
)
SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "diamond", "cross", "down", "ring", "bar")
NEUTRAL = "#8a919c"


def project(vectors: NDArray[np.float32], *, seed: int = 7) -> tuple[NDArray[np.float64], str]:
    """Places unit vectors in the unit square so that like photos are near.

    Args:
        vectors: (n, d) float32.
        seed: of t-SNE.

    Returns:
        (n, 2) coordinates in 0 to 1, and the method's name: t-SNE (van der Maaten and Hinton, 2008) on the
        first principal components where the number of points suits it, else principal components alone.
    """
    from sklearn.decomposition import PCA

    count = len(vectors)
    if count < 3:
        return np.column_stack([np.linspace(0.25, 0.75, max(count, 1))[:count], np.full(count, 0.5)]), "in a row"
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    if not np.abs(centred).max() > 1e-9:
        return np.full((count, 2), 0.5), "all alike"
    components = min(50, count - 1, vectors.shape[1])
    reduced = PCA(components, svd_solver="full").fit_transform(centred)
    if 30 <= count <= NEIGHBOURHOOD_LIMIT and components > 2:
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (count - 1) / 3)
        placed = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, max_iter=600).fit_transform(reduced)
        return _unit_square(np.asarray(placed, np.float64)), "t-SNE"
    placed = reduced[:, :2] if components >= 2 else np.column_stack([reduced[:, 0], np.zeros(count)])
    return _unit_square(placed), "principal components"


def _unit_square(placed: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = placed.min(axis=0), placed.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    return 0.02 + 0.96 * np.where(high > low, (placed - low) / span, 0.5)


def class_styles(
    names: Sequence[str], neutral: Sequence[str] = ("none", "not classified", "not reported")
) -> dict[str, tuple[str, str]]:
    """Colour and shape per class, the same for the same list; what says 'nothing' is grey."""
    styles: dict[str, tuple[str, str]] = {}
    used = 0
    for name in names:
        if name in neutral:
            styles[name] = (NEUTRAL, "circle")
        else:
            # The shape moves on with every round of colours, so that the ninth class differs from the first.
            turn = used + used // len(PALETTE)
            styles[name] = (PALETTE[used % len(PALETTE)], SHAPES[turn % len(SHAPES)])
            used += 1
    return styles


def photo_sheet(tiles: Mapping[str, bytes], order: Sequence[str]) -> tuple[bytes, int, dict[str, int]]:
    """Puts the map's photos on one JPEG sheet, row by row.

    Args:
        tiles: photo_id -> JPEG of TILE x TILE pixels.
        order: ids in the order in which they are placed; ids without a tile are left out.

    Returns:
        The sheet (at most SHEET_BYTES), its number of columns, and each photo's place on it.
    """
    from PIL import Image

    ids = [photo_id for photo_id in dict.fromkeys(order) if photo_id in tiles]
    if not ids:
        return b"", 0, {}
    columns = math.ceil(math.sqrt(len(ids)))
    sheet = Image.new("RGB", (columns * TILE, math.ceil(len(ids) / columns) * TILE), (128, 128, 128))
    for place, photo_id in enumerate(ids):
        with Image.open(io.BytesIO(tiles[photo_id])) as tile:
            sheet.paste(tile.convert("RGB").resize((TILE, TILE)), (place % columns * TILE, place // columns * TILE))
    data = b""
    for quality in (72, 60, 48, 36, 24, 12):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality, optimize=True)
        data = buffer.getvalue()
        if len(data) <= SHEET_BYTES:
            break
    return data, columns, {photo_id: place for place, photo_id in enumerate(ids)}
