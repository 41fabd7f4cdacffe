"""Perceptual hashes: stable against resizing and compression, and near pairs found exactly."""

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.images.pictures import encoded, opened, scenery
from udfs.images.perceptual import hamming_distance, near_duplicate_pairs, perceptual_hash
from udfs.images.photo import SanitiseLimits
from udfs.images.sanitise import sanitise

SIGNED = st.integers(-(2**63), 2**63 - 1)


def all_pairs(hashes, maximum_distance):
    count = len(hashes)
    return [
        [i, j]
        for i in range(count)
        for j in range(i + 1, count)
        if hamming_distance(int(hashes[i]), int(hashes[j])) <= maximum_distance
    ]


def test_the_stored_hash_is_imagehashs_of_the_stored_picture():
    for seed in range(6):
        photo = sanitise(encoded(scenery(seed=seed)), SanitiseLimits())
        assert photo.perceptual_hash % 2**64 == int(str(imagehash.phash(opened(photo))), 16)


def test_copies_are_near_and_strangers_far():
    original = scenery(600, 400)
    hashes = [
        perceptual_hash(image)
        for image in (original, original.resize((300, 200)), original.convert("L").convert("RGB"), scenery(seed=99))
    ]
    assert max(hamming_distance(hashes[0], other) for other in hashes[1:3]) <= 4
    assert hamming_distance(hashes[0], hashes[3]) > 12


@pytest.mark.parametrize(("first", "second", "distance"), [(0, 0, 0), (0, -1, 64), (-1, 1, 63), (-(2**63), 0, 1)])
def test_distance_counts_all_64_bits(first, second, distance):
    assert hamming_distance(first, second) == distance


@settings(max_examples=120)
@given(
    centres=st.lists(SIGNED, min_size=0, max_size=6),
    flips=st.lists(st.lists(st.integers(0, 63), max_size=12), max_size=30),
    maximum_distance=st.one_of(st.integers(0, 14), st.integers(15, 70)),
)
def test_near_pairs_are_exactly_those_of_comparing_all(centres, flips, maximum_distance):
    hashes = list(centres)
    for number, bits in enumerate(flips):
        if centres:
            value = centres[number % len(centres)] % 2**64
            for bit in bits:
                value ^= 1 << bit
            hashes.append(value - 2**64 if value >= 2**63 else value)
    array = np.array(hashes, dtype=np.int64)
    assert near_duplicate_pairs(array, maximum_distance).tolist() == all_pairs(array, maximum_distance)


def test_many_hashes_take_little_time():
    random = np.random.default_rng(3)
    hashes = random.integers(-(2**63), 2**63, 30_000, dtype=np.int64)
    copies = hashes[:500] ^ (np.int64(1) << random.integers(0, 63, 500))
    pairs = near_duplicate_pairs(np.concatenate([hashes, copies, hashes[:100]]), 4)
    found = {tuple(pair) for pair in pairs.tolist()}
    assert {(i, 30_000 + i) for i in range(500)} | {(i, 30_500 + i) for i in range(100)} <= found
    assert pairs.shape == (700, 2)


def test_a_distance_below_zero_is_refused():
    with pytest.raises(ValueError, match="maximum_distance"):
        near_duplicate_pairs(np.zeros(3, dtype=np.int64), -1)
