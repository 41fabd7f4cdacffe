"""Vectors are what the model's own code gives, of unit length, the same whatever the batch."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from tests import models
from tests.models import change_json
from udfs.errors import ModelError
from udfs.models import ModelReference, describe_model
from udfs.models.transformers.families import FAMILIES
from udfs.models.transformers.kind import load_encoder

DUAL = ("clip", "siglip", "siglip2")
VISION = ("vit", "dinov2", "mobilenet_v1")
OTHER = tuple(sorted(set(FAMILIES) - set(DUAL) - set(VISION)))
SIZES = [(40, 60), (90, 30), (32, 32), (17, 23)]
TEXTS = ["a photo of a car with broken glass", "an undamaged car", "Dent in the door"]


def photos() -> list[Image.Image]:
    random = np.random.default_rng(5)
    coarse = [random.integers(0, 255, (5, 7, 3), dtype=np.uint8) for _ in SIZES]
    return [Image.fromarray(pixels).resize(size) for pixels, size in zip(coarse, SIZES, strict=True)]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Model directories by family, each built once."""
    root, made = tmp_path_factory.mktemp("models"), {}

    def build(family: str) -> Path:
        if family not in made:
            builder = getattr(models, f"build_{family}", None)
            folder = root / family
            made[family] = builder(folder) if builder else models.build_other_vision(folder, family)
        return made[family]

    return build


@pytest.mark.parametrize("family", [*DUAL, *VISION, *OTHER])
def test_every_family_gives_unit_vectors_of_its_dimension(built, family):
    reference = ModelReference(str(built(family)))
    encoder, described = load_encoder(reference), describe_model(reference)
    vectors = encoder.encode_photos(photos())
    assert vectors.shape == (len(SIZES), described.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.ptp(vectors @ vectors[0]) > 1e-3, "every photo has the same vector"
    assert (encoder.model_key, encoder.dimension, encoder.has_text) == (
        described.model_key,
        described.dimension,
        family in DUAL,
    )


@pytest.mark.parametrize("family", [*DUAL, *VISION])
def test_batches_and_repetition_change_nothing(built, family):
    encoder = load_encoder(ModelReference(str(built(family)), dtype="float32"))
    whole = encoder.encode_photos(photos())
    np.testing.assert_array_equal(encoder.encode_photos(photos()), whole)
    alone = np.concatenate([encoder.encode_photos([photo]) for photo in photos()])
    np.testing.assert_allclose(alone, whole, atol=1e-5)
    assert encoder.encode_photos([]).shape == (0, encoder.dimension)
    if family in DUAL:
        together = encoder.encode_texts(TEXTS)
        np.testing.assert_allclose(
            np.concatenate([encoder.encode_texts([text]) for text in TEXTS]), together, atol=1e-5
        )
        assert encoder.encode_texts([]).shape == (0, encoder.dimension)


@pytest.mark.parametrize("family", DUAL)
def test_dual_encoders_agree_with_transformers(built, family):
    import torch
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    folder = built(family)
    encoder = load_encoder(ModelReference(str(folder), dtype="float32"))
    model = AutoModel.from_pretrained(folder).eval()
    pixels = AutoImageProcessor.from_pretrained(folder)(images=photos(), return_tensors="pt")
    padding = {"padding": True} if family == "clip" else {"padding": "max_length", "max_length": 64}
    tokens = AutoTokenizer.from_pretrained(folder)([text.lower() for text in TEXTS], return_tensors="pt", **padding)
    with torch.no_grad():
        output = model(**pixels, **tokens)
    assert_same_direction(encoder.encode_photos(photos()), output.image_embeds.numpy())
    assert_same_direction(encoder.encode_texts(TEXTS), output.text_embeds.numpy())
    assert encoder.logit_scale == pytest.approx(model.logit_scale.exp().item())


@pytest.mark.parametrize("family", VISION)
def test_vision_encoders_agree_with_transformers(built, family):
    import torch
    from transformers import AutoImageProcessor, AutoModel

    folder = built(family)
    model = AutoModel.from_pretrained(folder).eval()
    pixels = AutoImageProcessor.from_pretrained(folder)(images=photos(), return_tensors="pt")
    with torch.no_grad():
        output = model(**pixels)
    expected = output.pooler_output if family == "mobilenet_v1" else output.last_hidden_state[:, 0]
    encoder = load_encoder(ModelReference(str(folder), dtype="float32"))
    assert_same_direction(encoder.encode_photos(photos()), expected.numpy())


@pytest.mark.parametrize("family", ["mobilenet_v1", "mobilenet_v2", "resnet"])
@pytest.mark.parametrize("side", [32, 33])
def test_folded_normalisation_changes_no_vector(built, tmp_path, family, side):
    import torch
    from transformers import AutoImageProcessor, AutoModel

    folder = Path(shutil.copytree(built(family), tmp_path / "trained"))
    change_json(folder / "preprocessor_config.json", size={"height": side, "width": side})
    random = torch.Generator().manual_seed(2)
    weights = load_file(folder / "model.safetensors")
    for name, tensor in weights.items():
        if name.endswith("running_mean") or "normalization.bias" in name:
            tensor.normal_(0, 0.2, generator=random)
        if name.endswith("running_var") or "normalization.weight" in name:
            tensor.uniform_(0.5, 2, generator=random)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    pixels = dict(AutoImageProcessor.from_pretrained(folder)(images=photos(), return_tensors="pt"))
    with torch.no_grad():
        expected = AutoModel.from_pretrained(folder).eval()(**pixels).pooler_output.flatten(1)
    got = load_encoder(ModelReference(str(folder), dtype="float32")).features(pixels)
    assert torch.nn.functional.cosine_similarity(got, expected).min() > 0.9999


def assert_same_direction(vectors: np.ndarray, others: np.ndarray) -> None:
    cosines = (vectors * others).sum(axis=1) / np.linalg.norm(others, axis=1)
    assert cosines.min() > 0.9999


def test_a_photo_and_its_near_copy_are_nearer_than_another_photo(built):
    encoder = load_encoder(ModelReference(str(built("clip"))))
    photo, other, *_ = photos()
    near = Image.fromarray(np.clip(np.asarray(photo).astype(int) + 6, 0, 255).astype(np.uint8))
    vectors = encoder.encode_photos([photo, near, other])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_long_texts_are_cut_to_what_the_model_reads(built):
    for family in DUAL:
        assert np.isfinite(load_encoder(ModelReference(str(built(family)))).encode_texts(["dent " * 500])).all()


@pytest.mark.parametrize("family", DUAL)
def test_what_a_model_does_not_read_of_a_text_is_counted(built, family):
    encoder = load_encoder(ModelReference(str(built(family))))

    def dents(number: int) -> str:
        return " ".join(["dent"] * number)

    short, long, longer = encoder.tokens_cut([dents(number) for number in (1, 500, 600)])
    assert short == 0
    assert 0 < long < longer
    most = 500 - -(-100 * long // (longer - long))
    assert encoder.tokens_cut([dents(most)]) == [0]
    assert encoder.tokens_cut([dents(most + 1)])[0] > 0
    assert encoder.tokens_cut([]) == []


def test_case_makes_no_difference_to_siglip(built):
    encoder = load_encoder(ModelReference(str(built("siglip"))))
    lower, upper = encoder.encode_texts(["broken glass", "Broken GLASS"])
    np.testing.assert_array_equal(lower, upper)


def test_lower_precision_points_the_same_way(built):
    folder = str(built("vit"))
    full = load_encoder(ModelReference(folder, dtype="float32")).encode_photos(photos())
    half = load_encoder(ModelReference(folder, dtype="bfloat16")).encode_photos(photos())
    assert half.dtype == np.float32
    assert (full * half).sum(axis=1).min() > 0.99


def test_an_encoder_says_what_it_takes(built):
    full = load_encoder(ModelReference(str(built("clip")), device="cpu", dtype="float32"))
    half = load_encoder(ModelReference(str(built("clip")), device="cpu", dtype="bfloat16"))
    assert (full.device.type, str(full.dtype), str(half.dtype)) == ("cpu", "torch.float32", "torch.bfloat16")
    weights = sum(tensor.nbytes for tensor in load_file(built("clip") / "model.safetensors").values())
    assert full.resident_bytes == pytest.approx(weights, rel=0.02)
    assert half.resident_bytes == pytest.approx(weights / 2, rel=0.02)
    assert full.portion >= 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # of its own parts, as it loads the compiler
def test_a_compiled_network_gives_the_same_vectors(built):
    folder = str(built("mobilenet_v1"))
    plain = load_encoder(ModelReference(folder, device="cpu"))
    compiled = load_encoder(ModelReference(folder, device="cpu", compiled=True))
    assert compiled.model_key == plain.model_key
    np.testing.assert_allclose(compiled.encode_photos(photos()), plain.encode_photos(photos()), atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # of its own parts, as it loads the compiler
def test_a_network_that_cannot_be_compiled_says_why_in_one_line(built, monkeypatch):
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(torch._inductor.config, "fx_graph_cache", False)
    encoder = load_encoder(ModelReference(str(built("vit")), device="cpu", compiled=True))
    with pytest.raises(ModelError, match=r"cannot be compiled .* set models\.photo\.compiled=false") as caught:
        encoder.encode_photos(photos())
    assert "\n" not in str(caught.value)


def test_texts_for_a_vision_only_model_are_refused_clearly(built):
    encoder = load_encoder(ModelReference(str(built("vit"))))
    assert encoder.logit_scale is None
    with pytest.raises(ModelError, match="reads photos only"):
        encoder.encode_texts(["dent"])


def test_a_tokenizer_that_is_missing_is_said(built, tmp_path):
    copy = Path(shutil.copytree(built("clip"), tmp_path / "copy"))
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="has no tokenizer"):
        load_encoder(ModelReference(str(copy)))


def test_real_photos_through_a_real_model(shared_data):
    folder = shared_data / "models" / "mobilenet-v1-1.0-224"
    if not folder.is_dir():
        pytest.skip("no MobileNet on this machine")
    encoder = load_encoder(ModelReference(str(folder), device="cpu"))
    paths = sorted((shared_data / "data" / "cars").rglob("*.jpg"))[:4]
    vectors = encoder.encode_photos([Image.open(path).convert("RGB") for path in paths])
    assert vectors.shape == (4, 1024)
    mirrored = encoder.encode_photos([Image.open(paths[0]).convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT)])
    assert (vectors[0] @ mirrored[0]) > (vectors[0] @ vectors[1:].T).max()
