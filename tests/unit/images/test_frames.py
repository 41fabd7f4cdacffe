"""Frames are Pillow's pixels, and what Pillow refuses is refused with the same code, whichever way decodes them."""

import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.unit.images.pictures import encoded, scenery
from udfs.images.decode import decode_rgb
from udfs.images.frames import MAXIMUM_STRETCH, decode_frame, frame_shape
from udfs.images.photo_error import PhotoError
from udfs.outcome import ErrorCode

BASELINE = {
    "4:2:0": {},
    "4:2:2": {"subsampling": 1},
    "4:4:4": {"subsampling": 0},
    "optimised": {"optimize": True},
    "restarts": {"restart_marker_rows": 1},
    "RGB inside": {"keep_rgb": True},
}


def pillow(content: bytes) -> np.ndarray | ErrorCode:
    try:
        return np.asarray(decode_rgb(content))
    except PhotoError as error:
        return error.code


def frame(content: bytes) -> np.ndarray | ErrorCode:
    try:
        return decode_frame(content)
    except PhotoError as error:
        return error.code


def assert_alike(content: bytes) -> None:
    expected, got = pillow(content), frame(content)
    if isinstance(expected, ErrorCode) or isinstance(got, ErrorCode):
        assert got is expected
    else:
        np.testing.assert_array_equal(got, expected)


class TestPixels:
    @pytest.mark.parametrize("options", BASELINE.values(), ids=BASELINE)
    @pytest.mark.parametrize("size", [(320, 240), (333, 251), (17, 9), (1, 1)])
    def test_in_full_they_are_pillows(self, options, size):
        photo = encoded(scenery(*size), quality=88, **options)
        assert frame_shape(photo) == size[::-1]
        np.testing.assert_array_equal(decode_frame(photo), np.asarray(Image.open(io.BytesIO(photo)).convert("RGB")))

    @pytest.mark.parametrize("container", [bytes, bytearray, memoryview, pa.py_buffer])
    def test_photos_in_any_kind_of_memory_go_the_direct_way(self, container, monkeypatch):
        photo = encoded(scenery(333, 251))
        expected = decode_frame(photo)
        monkeypatch.setattr("udfs.images.frames.decode_rgb", lambda *_, **__: pytest.fail("Pillow decoded it"))
        np.testing.assert_array_equal(decode_frame(memoryview(container(photo))), expected)

    @pytest.mark.parametrize("at_least", [(60, 60), (100, 100), (30, 30), (9, 12)])
    @pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}])
    def test_shrunk_they_are_pillows_draft(self, at_least, options):
        photo = encoded(scenery(333, 251), **options)
        shrunk = decode_frame(photo, at_least)
        assert shrunk.shape[0] >= at_least[0]
        assert shrunk.shape[1] >= at_least[1]
        factor = round(333 / shrunk.shape[1])
        draft = Image.open(io.BytesIO(photo))
        draft.draft("RGB", (333 // factor, 251 // factor))
        np.testing.assert_array_equal(shrunk, np.asarray(draft.convert("RGB")))

    @pytest.mark.parametrize(
        ("size", "at_least", "expected"),
        [
            ((1024, 768), (224, 224), (384, 512)),
            ((1024, 768), (96, 96), (96, 128)),
            ((1024, 768), (97, 97), (192, 256)),
            ((1024, 768), (385, 385), (768, 1024)),
            ((1024, 768), (700, 900), (768, 1024)),
            ((64, 48), (224, 224), (48, 64)),
            ((1024, 683), (224, 224), (683, 1024)),
            ((1024, 683), (96, 96), (171, 256)),
        ],
    )
    def test_the_factor_is_the_largest_that_keeps_enough(self, size, at_least, expected):
        photo = encoded(Image.new("RGB", size, (90, 120, 30)))
        assert frame_shape(photo, at_least) == expected
        assert decode_frame(photo, at_least).shape == (*expected, 3)

    def test_a_photo_is_not_shrunk_where_that_would_stretch_it(self):
        # 449 rows at 1/2 are 224.5; the 225 that libjpeg gives would move the last row by half a pixel.
        photo = encoded(Image.new("RGB", (449, 449)))
        assert frame_shape(photo, (224, 224)) == (449, 449)
        assert frame_shape(photo, (int(449 * MAXIMUM_STRETCH), 10)) == (225, 225)

    @pytest.mark.parametrize("mode", ["L", "CMYK"])
    @pytest.mark.parametrize("options", [{}, {"progressive": True}])
    def test_other_colours_and_codings_come_out_as_rgb(self, mode, options):
        assert_alike(encoded(scenery(64, 48).convert(mode), **options))

    def test_what_is_not_baseline_is_left_to_pillow(self):
        assert frame_shape(encoded(scenery(64, 48), progressive=True)) is None
        assert frame_shape(encoded(scenery(64, 48).convert("CMYK"))) is None
        baseline = encoded(scenery(64, 48))
        start = baseline.index(b"\xff\xda")
        assert frame_shape(baseline[: start + 4] + b"\x01" + baseline[start + 5 :]) is None, "a scan of one component"
        assert frame_shape(baseline.replace(b"\xff\xc0", b"\xff\xc9", 1)) is None, "arithmetic coding"

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_any_bytes_will_do(self, kind):
        photo = encoded(scenery(64, 48))
        np.testing.assert_array_equal(decode_frame(kind(photo)), decode_frame(photo))
        progressive = encoded(scenery(64, 48), progressive=True)
        np.testing.assert_array_equal(decode_frame(kind(progressive)), decode_frame(progressive))


class TestBuffer:
    def test_the_frame_is_a_view_on_it(self):
        photo, buffer = encoded(scenery(320, 240)), np.zeros(320 * 240 * 3 + 100, np.uint8)
        for into in (buffer, memoryview(buffer)):
            buffer[:] = 0
            decoded = decode_frame(photo, into=into)
            assert np.shares_memory(decoded, buffer)
            np.testing.assert_array_equal(decoded, decode_frame(photo))
        small = decode_frame(photo, (60, 60), buffer)
        assert small.shape == (60, 80, 3)
        np.testing.assert_array_equal(small.reshape(-1), buffer[: small.size])

    def test_one_that_is_too_small_is_refused(self):
        with pytest.raises(ValueError, match="too small"):
            decode_frame(encoded(scenery(320, 240)), into=np.zeros(1000, np.uint8))


class TestDamage:
    @pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"no photo at all", bytes(1000)])
    def test_what_is_no_photo(self, content):
        assert isinstance(frame(content), ErrorCode)
        assert frame(content) is pillow(content)

    @pytest.mark.parametrize("end", [b"", b"\xff\xd9", bytes(5000), bytes(5000) + b"\xff\xd9", b"\xff\xd0\xff\xd9"])
    @pytest.mark.parametrize("options", BASELINE.values(), ids=BASELINE)
    def test_no_cut_photo_is_taken_that_pillow_refuses(self, options, end):
        photo = encoded(scenery(160, 120), quality=90, **options)
        for cut in range(40, len(photo), len(photo) // 40):
            assert_alike(photo[:cut] + end)

    @pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
    def test_a_cut_photo_is_called_truncated(self, share):
        photo = encoded(scenery())
        assert frame(photo[: int(len(photo) * share)] + b"\xff\xd9") is ErrorCode.TRUNCATED

    @settings(max_examples=150)
    @given(
        name=st.sampled_from(sorted(BASELINE)),
        changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4),
        within=st.sampled_from([0.05, 0.3, 1.0]),
    )
    def test_any_damage_gives_what_pillow_gives(self, name, changes, within):
        photo = bytearray(encoded(scenery(96, 64), **BASELINE[name]))
        for place, value in changes:
            photo[3 + int(place * within * (len(photo) - 4))] = value
        assert_alike(bytes(photo))

    def test_a_header_that_claims_a_giant_is_left_to_pillows_limits(self):
        photo = bytearray(encoded(scenery(64, 48)))
        size = photo.index(b"\xff\xc0") + 5
        photo[size : size + 4] = b"\xff\xdc\xff\xdc"
        assert frame_shape(photo) is None
        assert frame(bytes(photo)) is ErrorCode.TOO_MANY_PIXELS
