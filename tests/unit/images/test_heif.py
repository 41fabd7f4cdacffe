"""HEIF, which iPhones write: upright once, opaque, sRGB, within the limits; and what is broken has its code."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from tests.unit.images.heif import ALPHA, EIGHT_BITS, SIZE, TEN_BITS, heif
from tests.unit.images.pictures import GREEN, LIMITS, cleaned, difference, quarters
from tests.unit.images.test_hostile import assert_sound
from tests.unit.images.test_sanitise import linear_rgb_profile
from udfs.images.sanitise import sanitise
from udfs.outcome import ErrorCode, Status

pytest.importorskip("pi_heif")
TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
MIRRORS = {None: None, 0: Image.Transpose.FLIP_TOP_BOTTOM, 1: Image.Transpose.FLIP_LEFT_RIGHT}
WHOLE = heif(EIGHT_BITS)


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.DateTime] = "2021:03:04 05:06:07"
    return exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("coded", [EIGHT_BITS, TEN_BITS], ids=["8 bits", "10 bits"])
def test_a_photo(coded):
    photo = sanitise(heif(coded), LIMITS)
    assert (photo.status, photo.original_format, photo.error_detail) == (Status.OK, "HEIF", None)
    assert (photo.original_width, photo.original_height) == SIZE
    assert difference(cleaned(heif(coded)), quarters()) < 6


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("mirror", [None, 0, 1])
@pytest.mark.parametrize("turns", range(4))
def test_it_is_set_upright_once_by_the_container_whatever_its_exif_says(turns, mirror, orientation):
    upright = quarters()
    for transpose in (TURNS[turns], MIRRORS[mirror]):
        upright = upright if transpose is None else upright.transpose(transpose)
    content = heif(EIGHT_BITS, turns=turns, mirror=mirror, exif=exif_of(orientation))
    assert difference(cleaned(content), upright) < 6
    assert sanitise(content, LIMITS).captured_at == datetime(2021, 3, 4, 5, 6, 7)


def test_of_several_pictures_the_primary_one_is_the_photo():
    assert difference(cleaned(heif(EIGHT_BITS, TEN_BITS, EIGHT_BITS, primary=2)), quarters()) < 6


def test_transparency_lies_on_white():
    pixels = np.asarray(cleaned(heif(EIGHT_BITS, alpha=ALPHA)), dtype=float)
    assert pixels[4:28, 4:44].min() > 225
    assert np.abs(pixels[4:28, 52:92] - GREEN).max() < 40


def test_a_profile_is_applied():
    plain, linear = (np.asarray(cleaned(heif(EIGHT_BITS, profile=each))) for each in (b"", linear_rgb_profile()))
    assert linear[8, 8, 1] > plain[8, 8, 1] + 40


def test_the_limits_hold():
    pixels = SIZE[0] * SIZE[1]
    assert sanitise(WHOLE, replace(LIMITS, maximum_pixels=3 * pixels)).status == Status.OK
    few = sanitise(WHOLE, replace(LIMITS, maximum_pixels=3 * pixels - 1))
    assert few.error_code == ErrorCode.TOO_MANY_PIXELS
    assert (few.original_width, few.original_height) == SIZE
    assert sanitise(WHOLE, replace(LIMITS, maximum_bytes=99)).error_code == ErrorCode.TOO_MANY_BYTES
    bomb = sanitise(heif(EIGHT_BITS, size=(30_000, 30_000)), LIMITS)
    assert bomb.error_code == ErrorCode.TOO_MANY_PIXELS


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"mif2"])
def test_the_brand_makes_no_difference(brand):
    assert difference(cleaned(heif(EIGHT_BITS, brand=brand)), quarters()) < 6


@pytest.mark.parametrize("share", [0.03, 0.2, 0.5, 0.75, 0.9, 0.99])
def test_a_cut_file_is_truncated(share):
    photo = sanitise(WHOLE[: int(len(WHOLE) * share)], LIMITS)
    assert photo.error_code == ErrorCode.TRUNCATED


def test_a_codec_that_is_not_there_is_an_unsupported_format():
    photo = sanitise(WHOLE.replace(b"hvc1", b"vvc1"), LIMITS)
    assert photo.error_code == ErrorCode.UNSUPPORTED_FORMAT
    assert "another coding than HEVC" in photo.error_detail


@settings(max_examples=150)
@given(position=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255), cut=st.integers(0, len(WHOLE)))
def test_any_damage_gives_a_picture_or_a_code(position, value, cut):
    damaged = bytearray(WHOLE)
    damaged[position] = value
    assert_sound(sanitise(bytes(damaged[: cut or None]), LIMITS))
