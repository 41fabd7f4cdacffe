"""A place that Spark can write is one that the driver can read, by whatever name; and an unknown one is named."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.console.machine_checks import index_folder
from jobs.index.stores.lance.dataset import index_location
from jobs.job.mlflow_runs import tracking_address
from jobs.lakehouse.places import (
    address,
    directories,
    file_system,
    holds_only_directories,
    local_file,
    local_path,
    located,
    remove_directory,
)
from jobs.lakehouse.tables import Lakehouse
from jobs.lakehouse.writes import STAGED
from jobs.settings.load import load_settings
from jobs.settings.sections import TableSettings, TrackingSettings
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


@pytest.mark.parametrize("place", ["s3a://bucket/x", "abfss://box@account/x", "gs://bucket/x", "hdfs://host/x"])
def test_what_this_process_writes_as_a_file_lies_in_no_store(place):
    with pytest.raises(SettingsError, match=r"report\.output = .*give a path of this machine"):
        local_file(place, "report.output")


@pytest.mark.parametrize(
    ("place", "file"),
    [
        ("dbfs:/mnt/r", "/dbfs/mnt/r"),
        ("dbfs:/Volumes/a/r", "/Volumes/a/r"),
        ("file:/a%20b/r", "/a b/r"),
        ("file:///a/r", "/a/r"),
        ("/Volumes/a/r", "/Volumes/a/r"),
        ("/a/c:/r", "/a/c:/r"),
    ],
)
def test_every_setting_that_names_a_place_of_this_machine_reads_it_alike(place, file):
    assert local_file(place, "x") == Path(file)
    assert tracking_address(TrackingSettings(root=place)) == f"sqlite:///{file}/mlflow.db"
    assert index_location(place, "model") == f"{file}/model"
    lake = Lakehouse(None, TableSettings(root=place, staging=place))
    assert address(lake.staging) == f"{file}/waves"
    assert address(lake.checkpoints) == f"{file}/_checkpoints"


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n"])
def test_places_in_a_store_keep_bucket_and_key(scheme):
    place = f"{scheme}://bucket/a/b"
    assert index_location(place, "model") == "s3://bucket/a/b/model"
    lake = Lakehouse(None, TableSettings(root=place))
    assert lake.path("photos") == f"{place}/photos"
    assert lake.staging == f"{place}/_staging/waves"
    assert index_folder(load_settings("local", [f"index.root={place}"])).found == f"{place} is an object store"


def test_only_what_stage_wrote_is_taken_for_staging(tmp_path):
    staged = "0123456789abcdef" * 2
    for name in (f"ours/{staged}", "theirs/2024", "a_file"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a_file" / staged).touch()
    held = {name: holds_only_directories(str(tmp_path / name), STAGED) for name in ("ours", "theirs", "a_file")}
    assert held == {"ours": True, "theirs": False, "a_file": False}


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
