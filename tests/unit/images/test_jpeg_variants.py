"""JPEGs that lost their end, JPEGs that are cut, and kinds of JPEG that nobody decodes."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.unit.images.pictures import LIMITS, encoded, quarters, scenery
from tests.unit.images.test_hostile import assert_sound
from udfs.images.sanitise import sanitise
from udfs.outcome import ErrorCode, Status

OPTIONS = [
    {},
    {"progressive": True},
    {"restart_marker_rows": 1},
    {"subsampling": 0, "quality": 95},
    {"optimize": True, "quality": 30},
]
WHOLE = {
    f"{mode} {size} {options}": encoded(scenery(*size).convert(mode), **options)
    for mode in ("RGB", "L", "CMYK")
    for size in ((96, 64), (33, 25), (7, 9))
    for options in OPTIONS
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("lost", [1, 2])
def test_a_jpeg_without_its_end_marker_has_the_pixels_of_the_whole_one(name, lost):
    whole = sanitise(WHOLE[name], LIMITS)
    assert whole.status == Status.OK
    assert sanitise(WHOLE[name][:-lost], LIMITS) == whole


@settings(max_examples=100)
@given(name=st.sampled_from(sorted(WHOLE)), lost=st.integers(3, 400))
def test_a_jpeg_that_lost_picture_is_truncated_or_no_jpeg_any_more(name, lost):
    photo = sanitise(WHOLE[name][: max(3, len(WHOLE[name]) - lost)], LIMITS)
    assert photo.error_code in {ErrorCode.TRUNCATED, ErrorCode.CORRUPT}


@pytest.mark.parametrize("zeros", [1, 2, 5000])
@pytest.mark.parametrize("options", OPTIONS)
def test_zeros_in_place_of_the_end_marker_are_no_picture_and_in_place_of_picture_are_a_loss(options, zeros):
    content = encoded(scenery(), **options)
    assert sanitise(content[:-2] + bytes(zeros), LIMITS) == sanitise(content, LIMITS)
    assert sanitise(content[:-200] + bytes(zeros), LIMITS).error_code == ErrorCode.TRUNCATED


def test_a_progressive_jpeg_that_lacks_its_last_scans_and_its_end_is_truncated():
    content = encoded(scenery(), progressive=True)
    assert sanitise(content[: content.rindex(b"\xff\xda")], LIMITS).error_code == ErrorCode.TRUNCATED


def test_an_extra_picture_behind_a_jpeg_is_not_its_end():
    # A gain map, as telephones write it for bright screens; cut off, the photo itself is whole.
    content, gain_map = encoded(scenery()), encoded(quarters().convert("L"))
    assert sanitise(content + gain_map[:-50], LIMITS) == sanitise(content, LIMITS)


@pytest.mark.parametrize(
    ("offset", "value", "said"),
    [(4, 12, "12 bits"), (4, 16, "16 bits"), (1, 0xC3, "lossless"), (1, 0xCB, "lossless"), (1, 0xC5, "hierarchical")],
)
def test_kinds_that_are_not_decoded_are_named(offset, value, said):
    content = bytearray(encoded(scenery()))
    frame = content.index(b"\xff\xc0")
    content[frame + offset] = value
    photo = sanitise(bytes(content), LIMITS)
    assert photo.error_code == ErrorCode.UNSUPPORTED_FORMAT
    assert said in photo.error_detail


def test_scans_that_take_more_memory_than_is_allowed_are_refused_by_the_header():
    content = encoded(Image.new("RGB", (3000, 3000)), progressive=True, subsampling=0)
    needed = 3000 * 3000 * 3 * 2
    photo = sanitise(content, replace(LIMITS, maximum_memory=64 * 1024 * 1024))
    assert needed < 64 * 1024 * 1024
    assert photo.status == Status.OK
    content = encoded(Image.new("RGB", (4000, 4000)), progressive=True, subsampling=0)
    photo = sanitise(content, replace(LIMITS, maximum_memory=64 * 1024 * 1024))
    assert photo.error_code == ErrorCode.TOO_MUCH_MEMORY
    plain = encoded(Image.new("RGB", (4000, 4000)), subsampling=0)
    assert sanitise(plain, replace(LIMITS, maximum_memory=64 * 1024 * 1024)).status == Status.OK


KINDS = {
    "baseline": encoded(scenery(120, 90)),
    "progressive": encoded(scenery(120, 90), progressive=True),
    "restarts": encoded(scenery(120, 90), restart_marker_blocks=3),
    "Adobe": encoded(quarters().convert("CMYK"), quality=95),
    "grey": encoded(scenery(60, 40).convert("L")),
}


@settings(max_examples=200)
@given(
    name=st.sampled_from(sorted(KINDS)),
    share=st.floats(0, 1),
    value=st.integers(0, 255),
    end=st.floats(0, 1),
)
def test_a_changed_byte_and_a_cut_give_a_picture_or_a_code(name, share, value, end):
    content = bytearray(KINDS[name])
    content[int(share * (len(content) - 1))] = value
    assert_sound(sanitise(bytes(content[: max(1, int(len(content) * min(1.0, end * 1.5)))]), LIMITS))
