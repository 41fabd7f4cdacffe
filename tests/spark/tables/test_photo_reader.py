"""A few photos are read from the table that Spark writes, without Spark."""

import pytest

from jobs.lakehouse.photo_reader import read_photos
from jobs.settings.sections import TableSettings
from tests.spark.rows import add_photos, jpeg
from udfs.errors import InputError

pytestmark = pytest.mark.slow

COLOURS = ["red", "green", "blue", "white"]


def test_photos_are_read_by_their_ids_from_the_newest_version(lakehouse, tmp_path):
    lakehouse.ensure("photos")
    settings = TableSettings(root=str(tmp_path / "lakehouse"))
    assert read_photos(settings, ["ab" * 32]) == {}
    contents = [jpeg(colour) for colour in COLOURS]
    first = add_photos(lakehouse, contents[:2])
    assert read_photos(settings, [first[1]]) == {first[1]: contents[1]}
    ids = first + add_photos(lakehouse, contents[2:])
    asked = [ids[3], ids[0], ids[0], "ab" * 32, "no'id", "", "*"]
    assert read_photos(settings, asked) == {ids[0]: contents[0], ids[3]: contents[3]}
    lakehouse.spark.sql(f"DELETE FROM {lakehouse.name('photos')} WHERE photo_id = '{ids[0]}'")
    assert read_photos(settings, asked) == {ids[3]: contents[3]}
    assert read_photos(settings, []) == {}


def test_where_photos_cannot_be_read_the_reason_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot be read without Spark"):
        read_photos(TableSettings(root=str(tmp_path / "nowhere")), ["ab" * 32])
    with pytest.raises(InputError, match="in the catalog main, which is read by Spark alone"):
        read_photos(TableSettings(catalog="main", schema_name="claims"), ["ab" * 32])
