"""The demo's folder: the same by the same seed, with every oddity that it promises."""

import csv
import io
import json

import pytest
from PIL import Image, ImageOps, UnidentifiedImageError

from demo.claims.files import write_demo

GPS = 0x8825


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, write_demo(folder, claims=12, seed=5)


@pytest.fixture(scope="module")
def truth(demo):
    return json.loads((demo[0] / "truth.json").read_text("utf-8"))


def of_kind(truth, kind):
    return [path for path, photo in truth["photos"].items() if photo["kind"] == kind]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(demo, tmp_path):
    write_demo(tmp_path / "again", claims=12, seed=5)
    files = sorted(path.relative_to(demo[0]) for path in demo[0].rglob("*") if path.is_file())
    again = sorted(path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file())
    assert files == again
    assert all((demo[0] / path).read_bytes() == (tmp_path / "again" / path).read_bytes() for path in files)
    other = write_demo(tmp_path / "other", claims=12, seed=6)
    assert other.claims == 12
    assert (tmp_path / "other" / "claims.json").read_bytes() != (demo[0] / "claims.json").read_bytes()


def test_too_few_claims_are_refused_in_one_line(tmp_path):
    with pytest.raises(ValueError, match="at least 12 claims"):
        write_demo(tmp_path, claims=3, seed=1)


def test_every_file_is_named_in_the_metadata_once(demo):
    with (demo[0] / "photo_metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    named = [row["image_name"] for row in rows]
    photos = demo[0] / "photos"
    assert sorted(named) == sorted(str(path.relative_to(photos)) for path in photos.rglob("*") if path.is_file())
    assert len({row["image_id"] for row in rows}) == len(rows) == demo[1].photos


def test_one_claim_has_no_photo_and_one_photo_has_no_claim(demo, truth):
    claims = {claim["claim_no"] for claim in json.loads((demo[0] / "claims.json").read_text("utf-8"))}
    shown = {photo["claim_no"] for photo in truth["photos"].values()}
    assert len(claims) == demo[1].claims == 12
    assert len(claims - shown) == demo[1].claims_without_photo == 1
    assert len(shown - claims) == demo[1].photos_without_claim == 1


def test_copies_lie_in_other_claims_byte_for_byte_or_nearly(demo, truth):
    photos = demo[0] / "photos"
    assert len(of_kind(truth, "duplicate")) == demo[1].duplicates >= 3
    for path in of_kind(truth, "duplicate"):
        source = truth["photos"][path]["source"]
        assert (photos / path).read_bytes() == (photos / source).read_bytes()
        assert truth["photos"][path]["claim_no"] != truth["photos"][source]["claim_no"]
    assert len(of_kind(truth, "near_duplicate")) == demo[1].near_duplicates >= 3
    for path in of_kind(truth, "near_duplicate"):
        source = truth["photos"][path]["source"]
        assert (photos / path).read_bytes() != (photos / source).read_bytes()
        with Image.open(photos / path) as copy, Image.open(photos / source) as original:
            assert copy.size == (original.width - 2, original.height - 2)


def test_sideways_photos_come_upright_by_their_tag(demo, truth):
    assert len(of_kind(truth, "sideways")) == demo[1].sideways >= 3
    for path in of_kind(truth, "sideways"):
        with Image.open(demo[0] / "photos" / path) as photo:
            assert photo.getexif()[0x0112] in (3, 6, 8)
            assert ImageOps.exif_transpose(photo).size == (640, 480)


def test_photos_carry_the_place_that_must_be_removed(demo, truth):
    for path in of_kind(truth, "plain"):
        with Image.open(demo[0] / "photos" / path) as photo:
            assert set(photo.getexif().get_ifd(GPS)) >= {1, 2, 3, 4}


def test_the_broken_are_broken_and_the_formats_are_what_they_say(demo, truth):
    photos = demo[0] / "photos"
    (empty,), (text,) = of_kind(truth, "empty"), of_kind(truth, "not_image")
    assert (photos / empty).read_bytes() == b""
    with pytest.raises(UnidentifiedImageError):
        Image.open(photos / text)
    assert len(of_kind(truth, "truncated")) == demo[1].truncated == 2
    for path in of_kind(truth, "truncated"):
        with pytest.raises(OSError, match="truncated"):
            Image.open(io.BytesIO((photos / path).read_bytes())).load()
    for kind in ("png", "webp"):
        (path,) = of_kind(truth, kind)
        with Image.open(photos / path) as photo:
            assert photo.format == kind.upper()


def test_some_claims_are_reported_trivial_but_show_severe_damage(demo, truth):
    records = {claim["claim_no"]: claim for claim in json.loads((demo[0] / "claims.json").read_text("utf-8"))}
    mismatched = [number for number, claim in truth["claims"].items() if claim["mismatch"]]
    assert len(mismatched) == demo[1].mismatched_claims == 2
    for number in mismatched:
        assert records[number]["incident"]["severity"] == "Trivial Damage"
        shown = [
            photo["scene"]["severity"]
            for photo in truth["photos"].values()
            if photo["claim_no"] == number and photo["kind"] in ("plain", "sideways")
        ]
        assert "severe" in shown
