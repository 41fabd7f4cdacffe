"""The key says whether two models make the same vectors: not more, not less; and it is known without torch."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from tests.models import build_clip, build_mobilenet_v1, build_vit, change_json
from udfs.errors import ModelError
from udfs.models import ModelReference, describe_model, settled
from udfs.models.transformers import precision


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return build_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture
def copy(clip, tmp_path) -> Path:
    return Path(shutil.copytree(clip, tmp_path / "renamed"))


def key(folder: Path, **options: str | bool) -> str:
    return describe_model(ModelReference(str(folder), **options)).model_key


def test_a_renamed_copy_has_the_same_key(clip, copy):
    assert key(copy) == key(clip)
    assert len(key(copy)) == 16


def test_what_makes_no_vector_is_not_in_the_key(clip, copy):
    change_json(copy / "config.json", _name_or_path="elsewhere", transformers_version="0", dtype="bfloat16")
    change_json(copy / "tokenizer_config.json", name_or_path="elsewhere")
    change_json(copy / "preprocessor_config.json", image_processor_type="CLIPImageProcessorFast")
    assert key(copy, device="cpu") == key(clip)


def test_one_changed_weight_changes_the_key(clip, copy):
    before = key(copy)
    tensors = load_file(copy / "model.safetensors")
    tensors["visual_projection.weight"][0, 0] += 1
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    assert key(copy) != before


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("preprocessor_config.json", {"image_mean": [0.5, 0.5, 0.5]}),
        ("preprocessor_config.json", {"resample": 2}),
        ("config.json", {"projection_dim": 25}),
        ("tokenizer_config.json", {"model_max_length": 12}),
        ("tokenizer.json", {"normalizer": None}),
    ],
)
def test_one_changed_value_changes_the_key(clip, copy, file, change):
    change_json(copy / file, **change)
    assert key(copy) != key(clip)


def test_the_dtype_in_use_is_in_the_key(clip):
    assert key(clip, device="cuda") == key(clip, dtype="bfloat16") != key(clip, dtype="float32")


def test_auto_is_half_precision_where_the_settings_name_a_gpu_and_float32_elsewhere(clip, tmp_path):
    mobilenet = build_mobilenet_v1(tmp_path / "mobilenet")

    def dtype(folder: Path, device: str) -> str:
        return settled(ModelReference(str(folder), device=device)).dtype

    assert (dtype(clip, "cuda"), dtype(mobilenet, "cuda:1")) == ("bfloat16", "float16")
    assert {dtype(folder, device) for folder in (clip, mobilenet) for device in ("auto", "cpu", "mps")} == {"float32"}


@pytest.mark.parametrize("flags", ["flags : sse2 avx2", "flags : avx512_bf16 amx_bf16"])
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_the_key_is_the_same_on_every_machine(clip, monkeypatch, flags, device):
    before = key(clip, device=device)
    monkeypatch.setattr(Path, "read_text", flagged(flags))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    precision._cpu_has_bfloat16.cache_clear()
    assert key(clip, device=device) == before


def flagged(flags: str):
    read = Path.read_text
    return lambda path, *given, **named: flags if str(path) == "/proc/cpuinfo" else read(path, *given, **named)


def test_who_has_faster_hardware_is_told_how_to_use_it(clip, tmp_path, monkeypatch):
    mobilenet = build_mobilenet_v1(tmp_path / "mobilenet")

    def advice(folder: Path, *, has_gpu: bool, **options: str) -> str | None:
        return precision.better_dtype(settled(ModelReference(str(folder), **options)), has_gpu=has_gpu)

    assert advice(clip, has_gpu=True) == "models.photo.device=cuda (the dtype is then bfloat16)"
    assert advice(mobilenet, has_gpu=True) == "models.photo.device=cuda (the dtype is then float16)"
    assert advice(clip, has_gpu=True, device="cuda") is None
    for flags, said in (("flags : avx512_bf16", "models.photo.dtype=bfloat16"), ("flags : avx2", None)):
        precision._cpu_has_bfloat16.cache_clear()
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_text", flagged(flags))
            assert advice(clip, has_gpu=False) == said
            assert advice(mobilenet, has_gpu=False) is None
    precision._cpu_has_bfloat16.cache_clear()


def test_how_photos_are_decoded_is_in_the_key_and_how_the_network_runs_is_not(clip):
    assert key(clip, scaled_decoding=False) != key(clip)
    assert key(clip, compiled=True) == key(clip)


def test_preprocessing_is_found_where_newer_processors_keep_it(clip, copy):
    import json

    single = copy / "preprocessor_config.json"
    (copy / "processor_config.json").write_text(json.dumps({"image_processor": json.loads(single.read_text())}))
    single.unlink()
    assert key(copy) == key(clip)


def test_sharded_weights_are_read_and_a_missing_shard_refused(clip, copy):
    from transformers import CLIPModel

    model = CLIPModel.from_pretrained(clip)
    (copy / "model.safetensors").unlink()
    model.save_pretrained(copy, max_shard_size="60KB")
    shards = sorted(copy.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert describe_model(ModelReference(str(copy))).dimension == 24
    shards[1].unlink()
    with pytest.raises(ModelError, match=shards[1].name):
        describe_model(ModelReference(str(copy)))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_scale_that_the_model_was_trained_with_is_read_without_torch(clip, copy, dtype):
    import torch
    from safetensors.torch import load_file as load_tensors
    from safetensors.torch import save_file as save_tensors

    tensors = load_tensors(copy / "model.safetensors")
    tensors["logit_scale"] = torch.tensor(4.5, dtype=getattr(torch, dtype))
    save_tensors(tensors, copy / "model.safetensors", {"format": "pt"})
    assert describe_model(ModelReference(str(copy))).logit_scale == pytest.approx(90.017, abs=0.001)


def test_a_model_without_a_text_tower_has_no_scale(tmp_path):
    assert describe_model(ModelReference(str(build_vit(tmp_path / "vit")))).logit_scale is None


def test_two_trainings_differ(tmp_path, clip):
    other, vision = build_clip(tmp_path / "other", seed=1), build_vit(tmp_path / "vit")
    assert len({key(clip), key(other), key(vision)}) == 3


def test_the_driver_plans_without_torch(clip):
    script = (
        "import sys; from udfs.models import ModelReference, describe_model;"
        f"print(describe_model(ModelReference({str(clip)!r}, device='cpu')).dimension);"
        "print(sorted({'torch', 'transformers', 'pyspark', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["24", "[]"]
