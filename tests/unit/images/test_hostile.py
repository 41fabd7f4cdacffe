"""Files that are no photos, broken ones and hostile ones: each gets its code, in little time and memory."""

import io
import random
import struct
import threading
import warnings
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.unit.images.pictures import LIMITS, cleaned, difference, encoded, opened, quarters, scenery
from udfs.images import sanitise as sanitise_module
from udfs.images.decode import decode_rgb
from udfs.images.photo import SanitisedPhoto, SanitiseLimits
from udfs.images.photo_error import PhotoError, one_line
from udfs.images.pillow_warnings import without_warnings
from udfs.images.sanitise import sanitise
from udfs.outcome import ErrorCode, Status


def code_of(content: bytes, limits: SanitiseLimits = LIMITS) -> ErrorCode | None:
    photo = sanitise(content, limits)
    assert_sound(photo)
    return photo.error_code


def assert_sound(photo: SanitisedPhoto) -> None:
    """Either a picture that decodes, or a code with a detail that can be stored and shown."""
    if photo.status == Status.OK:
        assert photo.error_code is None
        assert opened(photo).size == (photo.width, photo.height)
        assert -(2**63) <= photo.perceptual_hash < 2**63
        return
    assert photo.error_code is not None
    assert photo.jpeg is None
    assert photo.width is None
    assert photo.perceptual_hash is None
    assert 0 < len(photo.error_detail) <= 200
    assert photo.error_detail.isprintable()
    assert " at 0x" not in photo.error_detail


def tiff(entries: list[tuple[int, int, int, int]], tail: bytes = b"") -> bytes:
    """A little-endian TIFF with one directory of (tag, type, count, value)."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + bytes(4) + tail


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


class TestNoPhoto:
    def test_zero_bytes(self):
        assert code_of(b"") == ErrorCode.EMPTY

    @pytest.mark.parametrize(
        "content",
        [
            b"hello, I am a text",
            b"BMW damage report, two pages",
            b"\0" * 100,
            b"<!DOCTYPE html><html><body><svg width='3'></svg></body></html>",
            b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
            b"PK\x03\x04 an archive",
            b"\xff\xd8",
        ],
    )
    def test_other_files(self, content):
        photo = sanitise(content, LIMITS)
        assert (photo.error_code, photo.original_format) == (ErrorCode.NOT_AN_IMAGE, None)

    @pytest.mark.parametrize(
        ("content", "name"),
        [
            (b"<?xml version='1.0'?><!-- car --><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
            (b"%PDF-1.7 scan", "PDF"),
            (b"8BPS\0\x01", "PSD"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(|id) run", "EPS"),
            (b"\0\0\0\x18ftypcrx \0\0\0\0crx isom", "RAW"),
            (b"II*\0\x10\0\0\0CR\x02\0", "RAW"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        ],
    )
    def test_images_that_are_known_and_not_decoded(self, content, name):
        photo = sanitise(content, LIMITS)
        assert (photo.error_code, photo.original_format) == (ErrorCode.UNSUPPORTED_FORMAT, name)

    def test_avif_without_its_reader_is_an_unsupported_format(self, monkeypatch):
        content = encoded(quarters(), "AVIF")
        monkeypatch.setattr("PIL.AvifImagePlugin.SUPPORTED", False)
        photo = sanitise(content, LIMITS)
        assert photo.error_code == ErrorCode.UNSUPPORTED_FORMAT
        assert "AVIF support not installed" in photo.error_detail

    def test_heif_without_its_plug_in_says_what_is_missing(self, monkeypatch):
        monkeypatch.setattr("udfs.images.decode.heif_reader", lambda: False)
        photo = sanitise(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", LIMITS)
        assert (photo.error_code, photo.original_format) == (ErrorCode.UNSUPPORTED_FORMAT, "HEIF")
        assert "pip install pi-heif" in photo.error_detail

    def test_a_raw_file_that_is_a_tiff_is_not_taken_for_its_thumbnail(self):
        thumbnail = encoded(quarters(), "TIFF", tiffinfo={254: 1, 330: 8})
        assert code_of(thumbnail) == ErrorCode.UNSUPPORTED_FORMAT
        assert code_of(encoded(quarters(), "TIFF", tiffinfo={50706: b"\1\4\0\0"})) == ErrorCode.UNSUPPORTED_FORMAT


class TestTruncated:
    @pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
    @pytest.mark.parametrize(
        ("format_name", "options"),
        [
            ("JPEG", {}),
            ("JPEG", {"progressive": True}),
            ("JPEG", {"restart_marker_rows": 1}),
            ("PNG", {}),
            ("GIF", {}),
            ("BMP", {}),
            ("WEBP", {}),
            ("TIFF", {}),
            ("TIFF", {"compression": "tiff_lzw"}),
            ("AVIF", {}),
            ("JPEG2000", {}),
        ],
    )
    def test_a_cut_file(self, format_name, options, share):
        content = encoded(scenery(), format_name, **options)
        photo = sanitise(content[: int(len(content) * share)], LIMITS)
        assert (photo.error_code, photo.original_format) == (ErrorCode.TRUNCATED, format_name)

    def test_the_size_is_kept_where_the_header_is_whole(self):
        content = encoded(scenery(320, 240))
        photo = sanitise(content[: len(content) // 2], LIMITS)
        assert (photo.original_width, photo.original_height) == (320, 240)

    @pytest.mark.parametrize("end", [b"\xff\xd9", bytes(5000), bytes(5000) + b"\xff\xd9", b"\xff\xf0\0\x02\xff\xd9"])
    @pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}, {"subsampling": 0}])
    def test_a_jpeg_that_is_half_grey_is_no_photo(self, options, end):
        # libjpeg fills up what is missing before an end marker, without an error.
        content = encoded(scenery(), quality=90, **options)
        assert code_of(content[: len(content) // 2] + end) in {ErrorCode.TRUNCATED, ErrorCode.CORRUPT}

    def test_a_progressive_jpeg_that_ends_in_its_first_scan_is_no_photo(self):
        content = encoded(scenery(), progressive=True)
        first_scan = content.index(b"\xff\xda")
        assert code_of(content[: first_scan + 300] + b"\xff\xd9") == ErrorCode.TRUNCATED

    @pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 16), (33, 250), (319, 239)])
    @pytest.mark.parametrize(
        "options",
        [
            {"quality": 30},
            {"quality": 95, "subsampling": 0, "optimize": True},
            {"progressive": True},
            {"restart_marker_blocks": 2},
        ],
    )
    def test_a_whole_jpeg_is_never_called_truncated(self, size, options):
        image = scenery(*size)
        for mode in ("RGB", "L", "CMYK"):
            assert cleaned(encoded(image.convert(mode), **options), SanitiseLimits()).size == size


class TestBombs:
    def test_too_many_bytes(self):
        content = encoded(scenery())
        photo = sanitise(content, SanitiseLimits(maximum_bytes=len(content) - 1))
        assert (photo.error_code, photo.original_format) == (ErrorCode.TOO_MANY_BYTES, "JPEG")

    def test_too_many_pixels_by_the_header(self):
        photo = sanitise(encoded(Image.new("RGB", (200, 100))), SanitiseLimits(maximum_pixels=19_999))
        assert photo.error_code == ErrorCode.TOO_MANY_PIXELS
        assert (photo.original_width, photo.original_height) == (200, 100)

    @pytest.mark.parametrize("format_name", ["WEBP", "AVIF", "JPEG2000"])
    def test_hungry_decoders_get_fewer_pixels(self, format_name):
        content = encoded(Image.new("RGB", (200, 100)), format_name)
        assert code_of(content, SanitiseLimits(maximum_pixels=59_999)) == ErrorCode.TOO_MANY_PIXELS
        assert code_of(content, SanitiseLimits(maximum_pixels=80_000)) is None

    @pytest.mark.parametrize("size", [(12_500, 12_500), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
    def test_a_png_of_a_few_bytes_that_claims_a_giant(self, size):
        header = struct.pack(">2I5B", *size, 8, 6, 0, 0, 0)
        content = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b"\0" * 99))
        assert code_of(content) == ErrorCode.TOO_MANY_PIXELS

    def test_a_jpeg_header_that_claims_a_giant(self):
        content = bytearray(encoded(quarters()))
        frame = content.index(b"\xff\xc0")
        content[frame + 5 : frame + 9] = b"\xff\xdc\xff\xdc"
        assert code_of(bytes(content)) == ErrorCode.TOO_MANY_PIXELS

    def test_scans_without_end(self):
        content = encoded(Image.new("RGB", (2000, 2000)), progressive=True)
        last_scan = content.rindex(b"\xff\xda")
        assert code_of(content[:last_scan] + content[last_scan:-2] * 500 + b"\xff\xd9") == ErrorCode.CORRUPT

    def test_metadata_without_end(self):
        content = encoded(quarters())
        stray = content[:20] + b"\0" * 200_000 + content[20:]
        comments = content[:20] + b"\xff\xfe\0\x02" * 50_000 + content[20:]
        assert code_of(stray) == ErrorCode.CORRUPT
        assert code_of(comments) == ErrorCode.CORRUPT

    def test_many_exif_segments_cost_the_metadata_not_the_photo(self):
        content = encoded(quarters())
        segment = b"\xff\xe1" + struct.pack(">H", 2 + 6 + 60_000) + b"Exif\0\0" + bytes(60_000)
        assert difference(cleaned(content[:2] + segment * 60 + content[2:]), quarters()) < 4

    def test_chunks_and_comments_without_end(self):
        png, gif = encoded(quarters(), "PNG"), encoded(quarters(), "GIF", comment=b"x")
        assert code_of(png[:33] + png_chunk(b"prVt", b"") * 120_000 + png[33:]) == ErrorCode.CORRUPT
        comment = gif.index(b"!\xfe")
        assert code_of(gif[:comment] + b"!\xfe" + b"\1x" * 30_000 + b"\0" + gif[comment:]) == ErrorCode.CORRUPT

    def test_tiff_tiles_strips_and_directories_without_end(self):
        picture = [(256, 4, 1, 10), (257, 4, 1, 10), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)]
        tile = [(322, 4, 1, 30_000), (323, 4, 1, 30_000), (324, 4, 1, 8), (325, 4, 1, 8)]
        assert code_of(tiff(picture + tile)) == ErrorCode.TOO_MANY_PIXELS
        assert code_of(tiff([*picture, (273, 4, 1_000_000, 8)], bytes(4_000_000))) == ErrorCode.CORRUPT
        assert code_of(tiff([(tag, 3, 1, 1) for tag in range(5000)])) == ErrorCode.CORRUPT

    def test_running_out_of_memory_is_a_code(self, monkeypatch):
        def exhausted(*arguments):
            raise MemoryError

        monkeypatch.setattr(sanitise_module, "shrink_to_srgb", exhausted)
        assert code_of(encoded(quarters())) == ErrorCode.TOO_MUCH_MEMORY


VALID = {
    "JPEG": encoded(scenery(120, 90), exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    "progressive": encoded(scenery(120, 90), progressive=True),
    "PNG": encoded(scenery(48, 36), "PNG"),
    "palette": encoded(quarters().quantize(8), "PNG", transparency=0),
    "GIF": encoded(quarters(), "GIF"),
    "BMP": encoded(quarters(20, 10), "BMP"),
    "TIFF": encoded(quarters(20, 10), "TIFF", compression="tiff_lzw"),
    "WEBP": encoded(scenery(64, 48), "WEBP"),
}


@settings(max_examples=150)
@given(
    name=st.sampled_from(sorted(VALID)),
    seed=st.integers(0, 2**32),
    changes=st.integers(1, 40),
    within=st.sampled_from([64, 700, 10**6]),
    cut=st.floats(0.0, 1.0),
)
def test_any_damage_gives_a_picture_or_a_code(name, seed, changes, within, cut):
    chance = random.Random(seed)
    content = bytearray(VALID[name])
    for _ in range(changes):
        position = chance.randrange(min(within, len(content)))
        kind = chance.randrange(3)
        if kind == 0:
            content[position] = chance.randrange(256)
        elif kind == 1:
            content[position:position] = chance.randbytes(chance.randrange(8))
        else:
            del content[position : position + chance.randrange(8)]
        content = content or bytearray(b"\xff")
    if cut > 0.8:
        content = content[: int(len(content) * (cut - 0.8) * 5)]
    assert_sound(sanitise(bytes(content), LIMITS))


@settings(max_examples=100)
@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"RIFF", b"BM"]), st.binary())
def test_any_bytes_give_a_code(signature, tail):
    photo = sanitise(signature + tail, LIMITS)
    assert_sound(photo)


class TestDecodeRgb:
    def test_a_sanitised_photo(self):
        photo = sanitise(encoded(scenery(640, 480)), SanitiseLimits())
        image = decode_rgb(photo.jpeg)
        assert (image.mode, image.size) == ("RGB", (640, 480))

    @pytest.mark.parametrize(
        ("at_least", "expected"),
        [(1000, (1000, 600)), (600, (1000, 600)), (300, (500, 300)), (224, (500, 300)), (70, (125, 75))],
    )
    def test_neither_side_falls_below_what_is_asked_for(self, at_least, expected):
        assert decode_rgb(encoded(scenery(1000, 600)), at_least=at_least).size == expected

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", ErrorCode.EMPTY),
            (b"no picture", ErrorCode.NOT_AN_IMAGE),
            (encoded(quarters(), "PNG"), ErrorCode.NOT_AN_IMAGE),
            (encoded(scenery())[:3000], ErrorCode.TRUNCATED),
        ],
    )
    def test_what_is_no_sanitised_photo(self, content, code):
        with pytest.raises(PhotoError) as raised:
            decode_rgb(content)
        assert raised.value.code == code


class TestMessages:
    def test_details_hold_no_paths_bytes_or_addresses(self):
        text = one_line(
            "cannot identify '/home/me/claims/42.jpg' <_io.BytesIO object at 0x7f00> b'\\x00secret'\n\t"
            "C:\\photos\\a.png é"
        )
        for word in ("home", "claims", "0x7f", "secret", "photos", "\n", "\t", "é"):
            assert word not in text

    def test_long_details_are_cut(self):
        assert len(one_line("word " * 200)) == 200


class TestWarnings:
    def test_pillows_warnings_are_kept_and_the_filters_restored(self):
        before = list(warnings.filters)
        content = encoded(Image.new("1", (10_000, 9_000)), "PNG")
        with pytest.warns(Image.DecompressionBombWarning):
            Image.open(io.BytesIO(content))
        # The whole suite runs with warnings as errors.
        assert sanitise(content, LIMITS).status == Status.OK
        assert list(warnings.filters) == before

    def test_threads_that_overlap_leave_no_filter_behind(self):
        before = list(warnings.filters)
        inside, leave = threading.Event(), threading.Event()

        def stay() -> None:
            with without_warnings():
                inside.set()
                leave.wait(10)

        with without_warnings():
            thread = threading.Thread(target=stay)
            thread.start()
            assert inside.wait(10)
        leave.set()
        thread.join()
        assert list(warnings.filters) == before
