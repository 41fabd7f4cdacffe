"""A model is found wherever it is, and what cannot be used is refused in one line that says how to mend it."""

import importlib
import pickle
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from tests.models import build_vit, change_json
from udfs.errors import ModelError
from udfs.models import ModelReference, describe_model
from udfs.models.reference import model_directory
from udfs.models.transformers.kind import load_encoder


@pytest.fixture(scope="module")
def vit(tmp_path_factory) -> Path:
    return build_vit(tmp_path_factory.mktemp("models") / "vit")


@pytest.fixture
def copy(vit, tmp_path) -> Path:
    return Path(shutil.copytree(vit, tmp_path / "copy"))


def refusal(reference: ModelReference) -> str:
    with pytest.raises(ModelError) as caught:
        describe_model(reference)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_reference_travels_to_executors():
    reference = ModelReference("bundled:demo", dtype="float32")
    assert pickle.loads(pickle.dumps(reference)) == reference


def test_a_missing_directory_is_named(tmp_path):
    assert str(tmp_path / "nowhere") in refusal(ModelReference(str(tmp_path / "nowhere")))


def test_a_model_without_weights_is_refused(copy):
    (copy / "model.safetensors").unlink()
    assert "has no weights" in refusal(ModelReference(str(copy)))


def test_pickled_weights_are_refused_and_never_opened(copy):
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(b"would run code")
    assert "convert them to safetensors" in refusal(ModelReference(str(copy)))


def test_a_half_copied_file_is_refused(copy):
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "incomplete" in refusal(ModelReference(str(copy)))


def test_a_pointer_in_place_of_the_weights_is_refused(copy):
    (copy / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "is not a safetensors file" in refusal(ModelReference(str(copy)))


def test_a_model_without_preprocessing_is_refused(copy):
    (copy / "preprocessor_config.json").unlink()
    assert "no preprocessor_config.json" in refusal(ModelReference(str(copy)))


def test_an_unknown_family_is_refused_with_the_known_ones(copy):
    change_json(copy / "config.json", model_type="bert")
    message = refusal(ModelReference(str(copy)))
    assert "family bert" in message
    assert "siglip2" in message


def test_weights_that_would_be_random_are_refused(copy):
    change_json(copy / "config.json", num_hidden_layers=3)
    with pytest.raises(ModelError, match="they would be random"):
        load_encoder(ModelReference(str(copy)))


@pytest.mark.parametrize("revision", [None, "main"])
def test_a_hub_model_must_be_pinned_to_a_commit(revision):
    assert "40-digit commit" in refusal(ModelReference("organisation/model", revision=revision))


def test_an_unknown_device_or_dtype_is_refused(vit):
    assert "float8" in refusal(ModelReference(str(vit), dtype="float8"))
    with pytest.raises(ModelError, match="cuda:99"):
        load_encoder(ModelReference(str(vit), device="cuda:99", dtype="float32"))


def test_an_unknown_bundled_model_is_refused():
    assert "no model ../secrets ships" in refusal(ModelReference("bundled:../secrets"))


@pytest.fixture
def zipped_conf(vit, tmp_path, monkeypatch):
    archive = tmp_path / "claimlens.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("conf/__init__.py", "")
        for path in vit.iterdir():
            file.write(path, f"conf/models/tiny/{path.name}")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    installed = sys.modules.pop("conf", None)
    monkeypatch.syspath_prepend(str(archive))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("conf", None)
    if installed is not None:
        sys.modules["conf"] = installed


def test_a_model_in_a_zip_archive_is_extracted_once_and_keeps_its_key(vit, tmp_path, zipped_conf):
    first = model_directory(ModelReference("bundled:tiny"))
    assert first.is_relative_to(tmp_path / "cache")
    assert describe_model(ModelReference("bundled:tiny")) == describe_model(ModelReference(str(vit)))
    assert model_directory(ModelReference("bundled:tiny")) == first
    assert [path.name for path in first.parent.iterdir()] == [first.name]
