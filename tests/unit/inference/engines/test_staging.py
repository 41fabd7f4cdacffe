"""Frames side by side in one buffer: each where the plan says, and whatever does not decode noted, not lost."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.images.pictures import encoded, scenery
from tests.unit.inference.faulty_encoder import BROKEN, buffers, mixed_photos
from udfs.images.frames import decode_frame
from udfs.inference.engine import Failure
from udfs.inference.engines.staging import Staged, layout, stage

SHAPES = st.lists(st.none() | st.tuples(st.integers(1, 40), st.integers(1, 40)), max_size=40)
AT_LEAST = (32, 32)


@given(SHAPES)
def test_every_row_with_a_shape_has_a_place_of_its_own(shapes):
    groups = layout(shapes)
    placed = [row for group in groups for row in group.rows]
    assert sorted(placed) == [row for row, shape in enumerate(shapes) if shape is not None]
    assert all(shapes[row] == group.shape for group in groups for row in group.rows)
    assert len({group.shape for group in groups}) == len(groups)
    staged = Staged([None] * len(shapes), groups, None, torch.empty(0, dtype=torch.uint8))
    taken = sorted((start, start + shape[0] * shape[1] * 3) for _, shape, start in staged.places())
    # No overlap, and no gap that would be copied for nothing.
    assert [start for start, _ in taken] == [0, *(end for _, end in taken)][: len(taken)]
    assert staged.bytes == (taken[-1][1] if taken else 0)
    assert staged.unplaced() == [row for row, shape in enumerate(shapes) if shape is None]


def staged_and_decoded(jpegs, at_least=AT_LEAST, buffer=None) -> Staged:
    staged = stage(
        buffers(jpegs), at_least, torch.empty(0, dtype=torch.uint8) if buffer is None else buffer, pinned=False
    )
    for place in [*((row, None, 0) for row in staged.unplaced()), *staged.places()]:
        staged.decode(*place)
    return staged


@pytest.mark.parametrize("at_least", [AT_LEAST, None])
def test_every_frame_is_the_one_that_is_decoded_alone(at_least):
    photos = mixed_photos()
    staged = staged_and_decoded(photos, at_least)
    assert not staged.failures
    for frame, photo in zip(staged.frames(), photos, strict=True):
        np.testing.assert_array_equal(frame, decode_frame(photo, at_least))


def test_what_only_pillow_decodes_comes_late():
    baseline, progressive = encoded(scenery()), encoded(scenery(), progressive=True)
    staged = staged_and_decoded([baseline, progressive])
    assert (staged.unplaced(), list(staged.late)) == ([1], [1])


def test_broken_photos_are_noted_with_their_codes():
    good = encoded(scenery())
    staged = staged_and_decoded([good, *BROKEN.values(), good])
    assert [str(failure.code) for _, failure in sorted(staged.failures.items())] == [*BROKEN]
    frames = staged.frames()
    assert [isinstance(frame, Failure) for frame in frames] == [False, *[True] * len(BROKEN), False]
    np.testing.assert_array_equal(frames[0], frames[-1])


def test_a_buffer_is_reused_where_it_is_large_enough():
    photos = [encoded(scenery(96, 64, seed)) for seed in range(3)]
    first = staged_and_decoded(photos)
    kept = first.buffer.data_ptr()
    second = staged_and_decoded(photos[::-1], buffer=first.buffer)
    assert second.buffer.data_ptr() == kept
    for frame, photo in zip(second.frames(), photos[::-1], strict=True):
        np.testing.assert_array_equal(frame, decode_frame(photo, AT_LEAST))
    larger = staged_and_decoded([encoded(scenery(640, 480))] * 3, None, second.buffer)
    assert larger.buffer.numel() >= larger.bytes == 3 * 640 * 480 * 3
