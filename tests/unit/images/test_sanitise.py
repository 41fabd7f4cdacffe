"""What a photo becomes: upright, sRGB, small, without metadata; and what of the original is kept."""

import io
import struct
from datetime import datetime

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from tests.unit.images.pictures import (
    GREEN,
    LIMITS,
    RED,
    cleaned,
    difference,
    encoded,
    opened,
    quarters,
    scenery,
)
from udfs.images.jpeg_structure import read_structure
from udfs.images.photo import SanitiseLimits
from udfs.images.sanitise import sanitise
from udfs.outcome import Status

UPRIGHT_TO_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def exif_of(**values) -> Image.Exif:
    exif = Image.Exif()
    for name, value in values.items():
        tag = ExifTags.Base[name]
        if name in {"Orientation", "DateTime", "Make", "ImageDescription"}:
            exif[tag] = value
        else:
            exif.get_ifd(ExifTags.IFD.Exif)[tag] = value
    return exif


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_gives_the_same_upright_picture(orientation, format_name):
    transpose = UPRIGHT_TO_STORED[orientation]
    stored = quarters() if transpose is None else quarters().transpose(transpose)
    content = encoded(stored, format_name, exif=exif_of(Orientation=orientation))
    photo = sanitise(content, LIMITS)
    assert (photo.width, photo.height) == (96, 64)
    assert (photo.original_width, photo.original_height) == stored.size
    assert difference(opened(photo), quarters()) < 4


def test_an_invalid_orientation_leaves_the_picture_as_stored():
    assert difference(cleaned(encoded(quarters(), exif=exif_of(Orientation=9))), quarters()) < 4


def test_nothing_of_the_metadata_survives():
    exif = exif_of(Make="SecretMake", ImageDescription="SecretName", DateTimeOriginal="2021:03:04 05:06:07")
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = encoded(
        scenery(), exif=exif, icc_profile=profile, comment="SecretComment", xmp=b"<x:xmpmeta>SecretXmp</x:xmpmeta>"
    )
    assert content.count(b"Secret") == 4
    jpeg = sanitise(content, LIMITS).jpeg
    assert jpeg is not None
    assert b"Secret" not in jpeg
    image = Image.open(io.BytesIO(jpeg))
    assert dict(image.getexif()) == {}
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    # Tables, frame and Huffman codes only: no application segment but JFIF's own, no comment.
    assert {marker for marker, _, _ in read_structure(jpeg).segments} == {0xE0, 0xDB, 0xC0, 0xC4}


def test_the_png_and_gif_comments_and_text_do_not_survive_either():
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "SecretName")
    for content in (
        encoded(quarters(), "PNG", pnginfo=text, dpi=(300, 300)),
        encoded(quarters(), "GIF", comment=b"SecretName"),
    ):
        assert b"SecretName" in content
        jpeg = sanitise(content, LIMITS).jpeg
        assert jpeg is not None
        assert b"SecretName" not in jpeg


def test_the_jpeg_is_baseline_420_and_the_same_each_time():
    content = encoded(scenery(), "PNG")
    photo = sanitise(content, LIMITS)
    image = opened(photo)
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert read_structure(photo.jpeg).frame == 0xC0
    assert [(horizontal, vertical) for _, horizontal, vertical, _ in image.layer] == [(2, 2), (1, 1), (1, 1)]
    assert sanitise(content, LIMITS) == photo


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((400, 100), (128, 32)),
        ((100, 400), (32, 128)),
        ((128, 128), (128, 128)),
        ((5, 3), (5, 3)),
        ((2000, 1), (128, 1)),
    ],
)
def test_the_longest_side_is_capped_and_nothing_is_enlarged(size, expected):
    photo = sanitise(encoded(Image.new("RGB", size, RED)), LIMITS)
    assert (photo.width, photo.height) == expected
    assert opened(photo).size == expected
    assert (photo.original_width, photo.original_height) == size


@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(1281, 961), (517, 2048), (1000, 999)])
def test_the_fast_ways_of_shrinking_look_like_the_slow_one(size, format_name):
    large = scenery(*size)
    small = cleaned(encoded(large, format_name, **({"quality": 95} if format_name == "JPEG" else {})))
    slow = large.resize(small.size, Image.Resampling.LANCZOS)
    assert difference(small, Image.open(io.BytesIO(encoded(slow, quality=LIMITS.jpeg_quality)))) < 1.5


def test_the_quality_setting_is_used():
    content = encoded(scenery(), "PNG")
    sizes = [len(sanitise(content, SanitiseLimits(jpeg_quality=quality)).jpeg) for quality in (40, 70, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


@pytest.mark.parametrize(
    "wrong", [{"longest_side": 0}, {"longest_side": 70_000}, {"jpeg_quality": 0}, {"maximum_bytes": 0}]
)
def test_limits_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SanitiseLimits(**wrong)


class TestColour:
    def test_cmyk_jpeg_keeps_its_colours(self):
        # Pillow writes CMYK as Adobe does, inverted.
        assert difference(cleaned(encoded(quarters().convert("CMYK"), quality=95)), quarters()) < 6

    def test_grey_becomes_rgb(self):
        image = cleaned(encoded(scenery().convert("L")))
        assert image.mode == "RGB"
        assert np.asarray(image).std(axis=2).max() < 3

    @pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
    def test_sixteen_bits_are_scaled_not_clipped(self, format_name):
        ramp = np.tile(np.linspace(0, 65535, 128), (16, 1)).astype(np.uint16)
        row = np.asarray(cleaned(encoded(Image.fromarray(ramp), format_name)).convert("L"), dtype=float)[8]
        assert np.abs(row - np.linspace(0, 255, 128)).max() < 4

    def test_a_large_sixteen_bit_picture_is_scaled_too(self):
        ramp = np.tile(np.linspace(0, 65535, 1024), (600, 1)).astype(np.uint16)
        row = np.asarray(cleaned(encoded(Image.fromarray(ramp), "PNG")).convert("L"), dtype=float)[30]
        assert np.abs(row - np.linspace(0, 255, 128)).max() < 5

    def test_twelve_bits_stored_in_sixteen_are_not_black(self):
        ramp = np.tile(np.linspace(0, 4095, 128), (16, 1)).astype(np.uint16)
        row = np.asarray(cleaned(encoded(Image.fromarray(ramp), "TIFF")).convert("L"), dtype=float)[8]
        assert np.abs(row - np.linspace(0, 255, 128)).max() < 4

    @pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
    def test_floating_point_and_its_gaps(self, white):
        ramp = np.tile(np.linspace(0, white, 128), (64, 1)).astype(np.float32)
        ramp[40:, :] = np.nan
        row = np.asarray(cleaned(encoded(Image.fromarray(ramp), "TIFF")).convert("L"), dtype=float)[8]
        assert np.abs(row - np.linspace(0, 255, 128)).max() < 4

    def test_white_is_zero_in_sixteen_bits(self):
        image = Image.fromarray(np.full((8, 8), 65535, dtype=np.uint16))
        content = encoded(image, "TIFF", tiffinfo={262: 0})
        assert np.asarray(cleaned(content)).max() < 4

    @pytest.mark.parametrize(
        ("mode", "format_name"), [("P", "PNG"), ("P", "GIF"), ("1", "PNG"), ("LAB", "TIFF"), ("YCbCr", "TIFF")]
    )
    def test_other_modes(self, mode, format_name):
        black_and_white = Image.new("RGB", (300, 40), "black")
        black_and_white.paste("white", (150, 0, 300, 40))
        if mode == "LAB":
            rgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
            source = ImageCms.profileToProfile(black_and_white, rgb, lab, outputMode="LAB")
        else:
            source = black_and_white.convert(mode)
        pixels = np.asarray(cleaned(encoded(source, format_name)), dtype=float)
        assert pixels[:, :60].max() < 12
        assert pixels[:, 68:].min() > 243

    @pytest.mark.parametrize("size", [(64, 48), (700, 500)])
    @pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF"])
    def test_transparency_lies_on_white(self, format_name, size):
        image = quarters(*size).convert("RGBA")
        image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
        pixels = np.asarray(cleaned(encoded(image, format_name)), dtype=float)
        half = pixels.shape[1] // 2
        assert pixels[:, : half - 4].min() > 235
        assert np.abs(pixels[: pixels.shape[0] // 2 - 4, half + 4 :] - GREEN).max() < 25

    def test_a_transparent_colour_of_a_palette_or_of_rgb_is_white(self):
        palette = quarters().quantize(4)
        red = palette.getpixel((0, 0))
        for content in (
            encoded(palette, "GIF", transparency=red),
            encoded(palette, "PNG", transparency=red),
            encoded(quarters(), "PNG", transparency=RED),
            encoded(Image.new("L", (96, 64), 90), "PNG", transparency=90),
        ):
            assert np.asarray(cleaned(content), dtype=float)[:24, :40].min() > 240

    def test_a_profile_is_applied(self):
        # A linear profile: its mid grey is sRGB's 188.
        profile = linear_rgb_profile()
        image = Image.new("RGB", (32, 32), (128, 128, 128))
        assert abs(cleaned(encoded(image, "PNG", icc_profile=profile)).getpixel((9, 9))[0] - 188) <= 2
        assert abs(cleaned(encoded(image, "PNG")).getpixel((9, 9))[0] - 128) <= 1

    @pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 200], ids=["nonsense", "zeros"])
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_a_broken_profile_is_ignored(self, mode, profile):
        image = quarters().convert(mode)
        content = encoded(image, quality=95, icc_profile=profile)
        assert difference(cleaned(content), image.convert("RGB")) < 6

    def test_a_profile_of_another_colour_space_is_ignored(self):
        content = encoded(quarters().convert("CMYK"), quality=95, icc_profile=linear_rgb_profile())
        assert difference(cleaned(content), quarters()) < 6

    def test_the_profile_of_a_palette_picture_is_applied(self):
        image = Image.new("P", (32, 32), 0)
        image.putpalette([128, 128, 128])
        assert abs(cleaned(encoded(image, "PNG", icc_profile=linear_rgb_profile())).getpixel((9, 9))[0] - 188) <= 2


def linear_rgb_profile() -> bytes:
    """A minimal ICC v2 matrix profile with sRGB's primaries and no gamma."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))

    description = b"desc\0\0\0\0" + struct.pack(">I", 7) + b"linear\0" + bytes(78)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    tags = {
        b"desc": description,
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.4361, 0.2225, 0.0139),
        b"gXYZ": xyz(0.3851, 0.7169, 0.0971),
        b"bXYZ": xyz(0.1431, 0.0606, 0.7139),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, data, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">2I", offset + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    header = bytearray(128)
    header[0:4] = struct.pack(">I", offset + len(data))
    header[8:12] = b"\x02\x10\0\0"
    header[12:24] = b"mntrRGB XYZ "
    header[36:40] = b"acsp"
    header[68:80] = struct.pack(">3i", 63190, 65536, 54061)
    return bytes(header) + table + data


class TestFrames:
    @pytest.mark.parametrize(
        ("format_name", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("MPO", {})]
    )
    def test_the_first_picture_is_the_photo(self, format_name, options):
        first, second = Image.new("RGB", (64, 48), RED), Image.new("RGB", (64, 48), GREEN)
        content = encoded(first, format_name, save_all=True, append_images=[second], **options)
        assert difference(cleaned(content), first) < 4
        assert sanitise(content, LIMITS).original_format == ("JPEG" if format_name == "MPO" else format_name)

    def test_what_follows_the_picture_is_no_part_of_it(self):
        # Telephones append a film to the photo.
        content = encoded(scenery())
        assert sanitise(content + b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40, LIMITS).jpeg == (
            sanitise(content, LIMITS).jpeg
        )


class TestKept:
    @pytest.mark.parametrize(
        ("format_name", "options"),
        [
            ("JPEG", {}),
            ("PNG", {}),
            ("GIF", {}),
            ("BMP", {}),
            ("TIFF", {}),
            ("WEBP", {}),
            ("AVIF", {}),
            ("JPEG2000", {}),
        ],
    )
    def test_the_format_by_the_contents(self, format_name, options):
        photo = sanitise(encoded(quarters(), format_name, **options), LIMITS)
        assert (photo.status, photo.original_format) == (Status.OK, format_name)
        assert (photo.error_code, photo.error_detail) == (None, None)
        assert difference(opened(photo), quarters()) < 8

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({"DateTimeOriginal": "2021:03:04 05:06:07"}, datetime(2021, 3, 4, 5, 6, 7)),
            (
                {"DateTime": "2022:01:01 00:00:00", "DateTimeDigitized": "2021:05:05 05:05:05"},
                datetime(2021, 5, 5, 5, 5, 5),
            ),
            ({"DateTime": "2022:01:01 00:00:00", "DateTimeOriginal": "0000:00:00 00:00:00"}, datetime(2022, 1, 1)),
            ({"DateTimeOriginal": "2021-03-04T05:06:07.25+01:00"}, datetime(2021, 3, 4, 5, 6, 7)),
            ({"DateTimeOriginal": "2021:03:04 05:06:07\0"}, datetime(2021, 3, 4, 5, 6, 7)),
            ({"DateTimeOriginal": "2021:02:30 05:06:07"}, None),
            ({"DateTimeOriginal": "2021:03:04 25:06:07"}, None),
            ({"DateTimeOriginal": "0001:03:04 05:06:07"}, None),
            ({"DateTimeOriginal": "    :  :     :  :  "}, None),
            ({"DateTimeOriginal": "yesterday"}, None),
            ({}, None),
        ],
    )
    def test_the_time_on_the_cameras_clock(self, values, expected):
        assert sanitise(encoded(quarters(), exif=exif_of(**values)), LIMITS).captured_at == expected

    @pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF"])
    def test_the_time_of_other_formats(self, format_name):
        content = encoded(quarters(), format_name, exif=exif_of(DateTime="2021:03:04 05:06:07"))
        assert sanitise(content, LIMITS).captured_at == datetime(2021, 3, 4, 5, 6, 7)

    @pytest.mark.parametrize(
        "exif",
        [
            b"Exif\0\0",
            b"Exif\0\0II*\0\x08\0\0\0",
            b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
            b"Exif\0\0II*\0\xff\xff\xff\xff",
            b"Exif\0\0nonsense that is no TIFF at all",
            b"Exif\0\0II*\0\x08\0\0\0\x02\0\x12\x01\x02\0\xff\xff\xff\xff\x99\0\0\0\x69\x87\x04\0\x01\0\0\0\x99\x99\0\0",
        ],
        ids=range(6),
    )
    def test_broken_exif_does_not_fail_the_photo(self, exif):
        photo = sanitise(encoded(quarters(), exif=exif), LIMITS)
        assert photo.status == Status.OK
        assert photo.captured_at is None
        assert difference(opened(photo), quarters()) < 4
