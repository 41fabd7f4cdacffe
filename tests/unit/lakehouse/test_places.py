"""A place that Spark can write is one that the driver can read, by whatever name; and an unknown one is named."""

import os
from datetime import UTC, datetime

import pytest

from jobs.lakehouse.places import address, directories, file_system, local_path, located, remove_directory
from udfs.errors import SettingsError


@pytest.mark.parametrize(
    ("spark", "driver"),
    [
        ("s3a://bucket/a b/c", "s3://bucket/a b/c"),
        ("s3n://bucket/c", "s3://bucket/c"),
        ("S3://bucket/c", "s3://bucket/c"),
        ("abfss://box@account.dfs.core.windows.net/c", "abfss://box@account.dfs.core.windows.net/c"),
        ("gs://bucket/c", "gs://bucket/c"),
        ("/Volumes/main/claims/c", "/Volumes/main/claims/c"),
        ("dbfs:/Volumes/main/claims/c", "/Volumes/main/claims/c"),
        ("dbfs:/mnt/c", "/dbfs/mnt/c"),
        ("dbfs:///mnt/c", "/dbfs/mnt/c"),
        ("file:/data/c", "/data/c"),
        ("file:///data/a%20b", "/data/a b"),
        ("/data/c:/d", "/data/c:/d"),
    ],
)
def test_every_scheme_of_sparks_has_its_address(spark, driver):
    assert address(spark) == driver


def test_a_plain_path_is_absolute_and_a_scheme_stays(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert located("lake") == address("lake") == str(tmp_path / "lake")
    assert located("s3a://bucket/lake") == "s3a://bucket/lake"
    assert local_path("lake") == tmp_path / "lake"
    assert local_path("s3a://bucket/lake") is None


def test_an_unknown_scheme_is_refused_with_those_that_are_known():
    with pytest.raises(SettingsError, match=r"ftp:.*s3a://.*dbfs:/"):
        address("ftp://host/lake")


@pytest.mark.parametrize("name", ["plain", "with space", "colon:here", "ünï%20"])
def test_directories_are_listed_and_removed_by_path_and_by_file_address(tmp_path, name):
    inner = tmp_path / name / "wave"
    inner.mkdir(parents=True)
    (inner / "part").write_text("x")
    for entry in (tmp_path / name, inner, inner / "part"):
        os.utime(entry, (1000, 1000))
    os.utime(inner / "part", (2000, 2000))
    assert directories(tmp_path.as_uri()) == {name: datetime.fromtimestamp(2000, UTC)}
    remove_directory((tmp_path / name).as_uri())
    assert directories(str(tmp_path)) == {}
    assert directories(str(tmp_path / "absent")) == {}
    remove_directory(str(tmp_path / "absent"))
    system, path = file_system(tmp_path.as_uri())
    assert path == str(tmp_path)
    assert system.type_name == "local"
