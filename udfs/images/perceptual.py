"""Perceptual hashes: two photos of one scene, resized or compressed anew, differ in few of 64 bits."""

from itertools import combinations, pairwise
from math import comb

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_BITS = 64
_MASK = (1 << HASH_BITS) - 1
_CANDIDATES_AT_ONCE = 4_000_000


def perceptual_hash(image: Image.Image) -> int:
    """`imagehash.phash` of an image as a signed 64-bit number, the first bit of the hash being the sign."""
    # As str() of the hash has it, without making the text.
    unsigned = int.from_bytes(np.packbits(imagehash.phash(image).hash).tobytes(), "big")
    return unsigned - (1 << HASH_BITS) if unsigned >> (HASH_BITS - 1) else unsigned


def hamming_distance(first: int, second: int) -> int:
    """Number of bits, 0 to 64, in which two perceptual hashes differ. Up to about 8 means: the same picture."""
    return ((first ^ second) & _MASK).bit_count()


def near_duplicate_pairs(hashes: NDArray[np.int64], maximum_distance: int) -> NDArray[np.int64]:
    """All pairs of hashes that differ in at most `maximum_distance` bits.

    `hashes` has shape (n,). The answer has shape (pairs, 2): indices i < j, in rising order, exact and without repeats.
    Hashes that are equal are compared once, but each pair of them is listed. Raises ValueError on a distance below 0.

    The hash is cut into bands; two hashes within the distance agree, by the pigeonhole principle, up to
    floor(distance / bands) bits in at least one band, and only such pairs are compared (multi-index hashing: Norouzi,
    Punjani, Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012).
    """
    if maximum_distance < 0:
        raise ValueError(f"maximum_distance must not be below 0, it is {maximum_distance}")
    distinct, group = np.unique(np.asarray(hashes, dtype=np.int64), return_inverse=True)
    close = _distinct_pairs(distinct.view(np.uint64), min(maximum_distance, HASH_BITS))
    return _expand(close, group, len(distinct))


def _distinct_pairs(values: NDArray[np.uint64], distance: int) -> NDArray[np.int64]:
    """Pairs of positions of distinct hashes within the distance, each once."""
    if len(values) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    bands = _cheapest_bands(len(values), distance)
    edges = np.linspace(0, HASH_BITS, bands + 1).astype(int)
    found = [np.zeros((0, 2), dtype=np.int64)]
    for low, high in pairwise(edges):
        width = int(high - low)
        band = (values >> np.uint64(low)) & np.uint64((1 << width) - 1)
        order = np.argsort(band, kind="stable")
        for flipped in _masks(width, min(distance // bands, width)):
            found += _probe(values, band, order, np.uint64(flipped), distance)
    return np.unique(np.concatenate(found), axis=0)


def _probe(
    values: NDArray[np.uint64], band: NDArray[np.uint64], order: NDArray[np.intp], flipped: np.uint64, distance: int
) -> list[NDArray[np.int64]]:
    """Pairs within the distance whose bands differ in exactly the bits `flipped`, in parts of bounded memory."""
    ordered = band[order]
    wanted = ordered ^ flipped
    first = np.searchsorted(ordered, wanted, side="left")
    count = np.searchsorted(ordered, wanted, side="right") - first
    ends = np.cumsum(count)
    found, start = [], 0
    while start < len(values):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _CANDIDATES_AT_ONCE, side="right")))
        here = count[start:stop]
        left = np.repeat(np.arange(start, stop), here)
        within = np.arange(len(left)) - np.repeat(ends[start:stop] - here - before, here)
        right = order[np.repeat(first[start:stop], here) + within]
        left = order[left]
        one_way = left < right
        left, right = left[one_way], right[one_way]
        near = np.bitwise_count(values[left] ^ values[right]) <= distance
        found.append(np.stack([left[near], right[near]], axis=1).astype(np.int64))
        start = stop
    return found


def _cheapest_bands(count: int, distance: int) -> int:
    """Number of bands with the fewest probes and comparisons, were the hashes spread evenly."""

    def cost(bands: int) -> float:
        width = HASH_BITS // bands
        probes = sum(comb(width, flips) for flips in range(distance // bands + 1))
        return bands * probes * (20.0 * count + count * count / 2.0**width)

    return min(range(1, min(distance, HASH_BITS - 1) + 2), key=cost)


def _masks(width: int, most: int) -> list[int]:
    """All numbers of `width` bits of which at most `most` are set."""
    return [sum(1 << bit for bit in bits) for flips in range(most + 1) for bits in combinations(range(width), flips)]


def _expand(close: NDArray[np.int64], group: NDArray[np.intp], groups: int) -> NDArray[np.int64]:
    """From pairs of distinct hashes to pairs of photos, adding the pairs within each group of equal hashes."""
    sizes = np.bincount(group, minlength=groups)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(sizes)[:-1])
    single = (sizes[close] == 1).all(axis=1)
    first = np.array([same[0] for same in members if len(same)], dtype=np.int64)
    parts = [first[close[single]]]
    parts += [same[np.stack(np.triu_indices(len(same), k=1), axis=1)] for same in members if len(same) > 1]
    parts += [
        np.stack(np.meshgrid(members[left], members[right]), axis=-1).reshape(-1, 2) for left, right in close[~single]
    ]
    pairs = np.sort(np.concatenate(parts), axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].astype(np.int64)
