"""The fast way gives the vectors of the slow one: Pillow in full, the model's own processor and network, float32."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import models
from tests.benchmarks.fidelity import fidelity, slow_vectors
from tests.unit.images.pictures import encoded, scenery
from udfs.models import ModelReference
from udfs.models.transformers.families import FAMILIES

EXACT, SCALED = 0.999, 0.99
"""Smallest cosine of any photo: decoded in full, and shrunk by libjpeg."""
AGREEMENT = 0.995
"""Smallest share of photos that get the same label."""


@pytest.fixture(autouse=True)
def one_thread():
    """As every core works in production; and several would wait for each other where the machine is busy."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def photos() -> list[bytes]:
    """Of several sizes; most are large enough for a model of 32 pixels to have them shrunk."""
    sizes = [(320, 240), (256, 256), (640, 427), (97, 131), (1024, 768), (40, 30)]
    return [encoded(scenery(*size, seed=seed), quality=88) for seed, size in enumerate(sizes)]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_keeps_the_direction_of_its_vectors(tmp_path, family):
    build = getattr(models, f"build_{family}", None)
    folder = build(tmp_path) if build else models.build_other_vision(tmp_path, family)
    result = fidelity(ModelReference(str(folder), device="cpu", dtype="float32"), photos())
    assert result.minimum >= EXACT
    assert result.scaled_minimum >= SCALED
    # SigLIP 2 of flexible resolution wants its photos in full.
    assert result.shrunk == (0 if family == "siglip2" else 4)


@pytest.mark.slow
def test_a_full_size_clip_keeps_it_in_the_precision_of_this_cpu(tmp_path):
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    folder = models.build_clip(tmp_path)
    torch.manual_seed(0)
    network = CLIPModel(CLIPConfig(text_config={"num_hidden_layers": 1}))
    for parameter in network.parameters():
        if parameter.ndim > 1:
            # As strong as trained ones; a fresh model makes all photos alike.
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    network.save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    sizes = [(1024, 768), (768, 1024), (1024, 683), (500, 333), (1600, 1200), (224, 224)] * 2
    jpegs = [encoded(scenery(*size, seed=seed), quality=88) for seed, size in enumerate(sizes)]
    reference = ModelReference(str(folder), device="cpu")
    vectors = slow_vectors(reference, jpegs[:2])
    assert vectors[0] @ vectors[1] < 0.95
    result = fidelity(reference, jpegs)
    assert result.minimum >= EXACT
    assert result.scaled_minimum >= SCALED


@pytest.fixture(scope="module")
def mobilenet(shared_data) -> ModelReference:
    folder = shared_data / "models" / "mobilenet-v1-1.0-224"
    if not folder.is_dir():
        pytest.skip("no MobileNet on this machine")
    return ModelReference(str(folder), device="cpu")


@pytest.fixture(scope="module")
def damaged_cars(shared_data) -> list[dict[str, str]]:
    with (shared_data / "data" / "cars" / "manifest.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    return [row for row in listed if row["label"] in {"minor", "moderate", "severe"}]


def jpeg(shared: Path, row: dict[str, str], longest_side: int | None = None) -> bytes:
    """A photo as the sanitiser writes it; enlarged where asked for, as most of them are small."""
    image = Image.open(shared / "data" / "cars" / row["path"]).convert("RGB")
    if longest_side is not None:
        factor = longest_side / max(image.size)
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88, subsampling="4:2:0")
    return buffer.getvalue()


@pytest.mark.slow
def test_severities_of_real_photos_stay_what_they_are(shared_data, mobilenet, damaged_cars):
    from sklearn.linear_model import LogisticRegression

    known = [row for row in damaged_cars if row["split"] == "train"]
    new = [row for row in damaged_cars if row["split"] != "train"]
    vectors = slow_vectors(mobilenet, [jpeg(shared_data, row) for row in known])
    head = LogisticRegression(C=10, max_iter=2000).fit(vectors, [row["label"] for row in known])
    result = fidelity(mobilenet, [jpeg(shared_data, row) for row in new[::2]], head.predict)
    assert result.minimum >= EXACT
    assert result.scaled_minimum >= SCALED
    assert min(result.agreement, result.scaled_agreement) >= AGREEMENT
    # Larger than the sanitiser makes them by default, so that libjpeg shrinks all but a few. One photo in a hundred
    # lies so near to the border between two severities that any other way of resizing moves it across.
    large = fidelity(mobilenet, [jpeg(shared_data, row, 2048) for row in new[::8]], head.predict)
    assert large.shrunk > large.photos / 2
    assert large.minimum >= EXACT
    assert large.scaled_minimum >= SCALED
    assert large.agreement >= AGREEMENT
    assert large.scaled_agreement >= 0.98


def test_real_photos_keep_their_directions(shared_data, mobilenet, damaged_cars):
    sizes = [700, 1024, 1500, 2000]
    jpegs = [jpeg(shared_data, row, sizes[place % 4]) for place, row in enumerate(damaged_cars[::40])]
    result = fidelity(mobilenet, jpegs)
    assert result.minimum >= EXACT
    assert result.scaled_minimum >= SCALED
    assert np.isfinite(result.mean)
