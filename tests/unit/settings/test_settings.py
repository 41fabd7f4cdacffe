"""Settings as a user meets them: five layers, clear refusals, and a wheel that carries conf/."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jobs.settings.keys import plain_keys
from jobs.settings.layers import PLACES, shipped_layer
from jobs.settings.load import load_settings
from jobs.settings.sections import Settings
from udfs.errors import SettingsError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("CLAIMLENS_"):
            monkeypatch.delenv(name)


def test_each_layer_beats_the_one_below(tmp_path, monkeypatch):
    # longest_side stands in no file: the default. claims.columns stands in base.yaml only.
    assert load_settings("local").ingest.longest_side == 1024
    assert load_settings("local").ingest.claims.columns["claim_id"] == "claim_no"
    place = tmp_path / "nightly.yaml"
    place.write_text(
        "classify:\n  taxonomy: property\ningest:\n  longest_side: 900\n"
        "  claims:\n    columns: {policy_id: police}\nmodels:\n  photo: {batch_size: 5}\n"
    )
    from_file = load_settings(str(place))
    assert from_file.classify.taxonomy == "property"
    assert from_file.ingest.claims.columns["policy_id"] == "police"  # the place beats base.yaml, which says policy_no
    assert from_file.ingest.longest_side == 900  # and the default
    assert from_file.ingest.claims.columns["claim_id"] == "claim_no"  # the rest of the section stays
    monkeypatch.setenv("CLAIMLENS_INGEST__LONGEST_SIDE", "800")
    monkeypatch.setenv("CLAIMLENS_MODELS__PHOTO__BATCH_SIZE", "6")
    assert load_settings(str(place)).ingest.longest_side == 800  # the environment beats the place
    chosen = load_settings(str(place), ["ingest.longest_side=700"])
    assert chosen.ingest.longest_side == 700  # --set beats the environment
    assert chosen.models.photo.batch_size == 6  # and takes nothing else away
    assert chosen.place == "nightly"


@pytest.mark.parametrize("place", PLACES)
def test_shipped_places_load(place):
    assert load_settings(place).place == place


def test_the_environment_names_the_place(monkeypatch):
    monkeypatch.setenv("CLAIMLENS_PLACE", "demo")
    assert load_settings().demo.root == ".claimlens/demo/input"


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("models:\n  photo:\n    batchsize: 3\n", "models.photo.batchsize", "models.photo.batch_size"),
        ("modle:\n  name: x\n", "modle", "model"),
        ("ingest:\n  claims:\n    pth: x\n", "ingest.claims.pth", "ingest.claims.path"),
    ],
)
def test_unknown_key_in_a_file_names_key_file_and_nearest(tmp_path, text, key, nearest):
    place = tmp_path / "mine.yaml"
    place.write_text(text)
    with pytest.raises(SettingsError) as refusal:
        load_settings(str(place))
    message = str(refusal.value)
    assert key in message
    assert str(place) in message
    assert nearest in message
    assert "\n" not in message


def test_unknown_key_in_the_environment(monkeypatch):
    monkeypatch.setenv("CLAIMLENS_MODELS__PHOTO__BATCHSIZE", "3")
    with pytest.raises(SettingsError, match=r"models\.photo\.batchsize in environment .* models\.photo\.batch_size"):
        load_settings("local")


def test_unknown_key_in_set():
    with pytest.raises(SettingsError, match=r"tables\.rot in --set .* tables\.root"):
        load_settings("local", ["tables.rot=x"])


def test_wrong_value_names_key_and_origin(tmp_path, monkeypatch):
    place = tmp_path / "mine.yaml"
    place.write_text("models:\n  photo:\n    batch_size: many\n")
    with pytest.raises(SettingsError) as refusal:
        load_settings(str(place))
    assert "models.photo.batch_size" in str(refusal.value)
    assert str(place) in str(refusal.value)
    with pytest.raises(SettingsError, match=r"limits\.failure_rate in --set"):
        load_settings("local", ["limits.failure_rate=3"])
    monkeypatch.setenv("CLAIMLENS_MODELS__PHOTO__DEVICE", "abacus")
    with pytest.raises(SettingsError, match=r"models\.photo\.device in environment"):
        load_settings("local")


@pytest.mark.parametrize("override", ["models.photo.batch_size", "=3"])
def test_set_that_is_no_pair_is_refused(override):
    with pytest.raises(SettingsError, match=r"write it as a\.b=c"):
        load_settings("local", [override])


@pytest.mark.parametrize("text", ["[half: open", "#1 photos", "No", "1e3", "0042", "2024-01-01", "a: b", "*", "~/x"])
@pytest.mark.parametrize("door", ["set", "environment"])
def test_a_text_is_taken_as_it_is_written(text, door, monkeypatch):
    if door == "environment":
        monkeypatch.setenv("CLAIMLENS_INGEST__GLOB", text)
    assert load_settings("local", [f"ingest.glob={text}"] if door == "set" else []).ingest.glob == text


def test_values_of_other_types_are_read_as_yaml():
    chosen = load_settings(
        "local",
        [
            "models.photo.batch_size=16",
            "embed.partitions=null",
            "tables.staging=",
            "ingest.recursive=no",
            "limits.failure_rate=5e-1",
            "ingest.claims.sentinel_dates=['1900-01-01', '1970-01-01']",
            "spark.config.spark.sql.shuffle.partitions=7",
            "spark.master='local[2,4]'",
            "models.text.name=bundled:demo",
        ],
    )
    assert chosen.models.photo.batch_size == 16
    assert (chosen.embed.partitions, chosen.tables.staging) == (None, None)
    assert chosen.ingest.recursive is False
    assert chosen.limits.failure_rate == 0.5
    assert chosen.ingest.claims.sentinel_dates == ["1900-01-01", "1970-01-01"]
    assert chosen.spark.config == {"spark.sql.shuffle.partitions": "7"}
    assert chosen.spark.master == "local[2,4]"
    assert chosen.models.text is not None
    assert chosen.models.text.name == "bundled:demo"
    assert load_settings("local", ["spark.config={spark.a: 'true'}"]).spark.config == {"spark.a": "true"}


def test_unknown_key_in_a_section_that_may_be_null():
    with pytest.raises(SettingsError, match=r"models\.text\.nme in --set .* models\.text\.name"):
        load_settings("local", ["models.text.nme=x"])


def test_base_says_nothing_that_is_the_default_already():
    values = shipped_layer("base")[1]
    for path, field in plain_keys(Settings):
        said: object = values
        for part in path:
            said = said.get(part) if isinstance(said, dict) else None
        assert said is None or said != field.default, ".".join(path)


def test_place_that_is_not_there():
    with pytest.raises(SettingsError, match="did you mean demo"):
        load_settings("dmo")
    with pytest.raises(SettingsError, match="no such file"):
        load_settings("nowhere.yaml")


def test_broken_yaml_names_the_line(tmp_path):
    place = tmp_path / "mine.yaml"
    place.write_text("models:\n  photo: [unclosed\n")
    with pytest.raises(SettingsError, match=r"mine\.yaml line \d+: not valid YAML"):
        load_settings(str(place))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("claimlens-*.whl"))


def test_the_wheel_carries_conf(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    wanted = {f"conf/{name}.yaml" for name in ("base", *PLACES)} | {"conf/taxonomies/vehicle.yaml"}
    assert wanted <= set(names)
    assert "jobs/console/command_line.py" in names
    assert "udfs/errors.py" in names
    assert "demo/claims/files.py" in names  # so that the demo runs wherever claimlens is installed
    assert not [name for name in names if name.startswith(("tests/", ".claimlens/"))]


def test_settings_load_from_the_archive_itself(wheel, tmp_path):
    """As on an executor or under spark-submit: nothing unpacked, another working directory."""
    code = "import jobs.settings.load as s; print(s.__file__); print(s.load_settings('demo').demo.root)"
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    place, values = run.stdout.splitlines()
    assert place.startswith(str(wheel))
    assert values == ".claimlens/demo/input"
