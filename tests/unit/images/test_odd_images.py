"""199 broken, hostile and unusual files of other projects' test suites, where the machine has them."""

import csv
import time

import pytest

from tests.unit.images.test_hostile import assert_sound
from udfs.images.photo import SanitiseLimits
from udfs.images.sanitise import sanitise

NOT_DECODED_ON_PURPOSE = (".dds", ".psd")
"""Pillow reads them; no camera, scanner or browser writes them."""
BROKEN = {"pillow/broken_data_stream.png"}
"""Pillow raises on the first attempt to load it, and on a second gives what it had of it until then."""


@pytest.fixture(scope="module")
def manifest(shared_data):
    folder = shared_data / "data" / "odd-images"
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return folder, list(csv.DictReader(file))


def test_each_gives_a_picture_or_a_code_and_soon(manifest):
    folder, rows = manifest
    slowest = 0.0
    for row in rows:
        start = time.process_time()
        photo = sanitise((folder / row["file"]).read_bytes(), SanitiseLimits())
        slowest = max(slowest, time.process_time() - start)
        assert_sound(photo)
    assert slowest < 10


def test_what_pillow_reads_is_read_but_for_stated_reasons(manifest):
    folder, rows = manifest
    lost = {
        row["file"]
        for row in rows
        if row["pillow_outcome"] == "ok"
        and not row["file"].endswith(NOT_DECODED_ON_PURPOSE)
        and sanitise((folder / row["file"]).read_bytes(), SanitiseLimits()).error_code is not None
    }
    assert lost == BROKEN
