"""Pixels are those of the model's own Hugging Face processor, whatever the photo's shape."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests import models
from tests.models import SIDE, change_json
from tests.unit.images.pictures import scenery
from udfs.errors import ModelError
from udfs.inference.pixels import StandardPixels
from udfs.models.transformers.pixels import ProcessorPixels, photo_pixels, photo_processor

CPU = torch.device("cpu")
SHAPES = [
    (40, 60),
    (90, 30),
    (32, 32),
    (17, 23),
    (33, 200),
    (200, 33),
    (3, 500),
    (1, 1),
    (45, 46),
    (401, 399),
    (60, 40),
]
"""(height, width)"""

SHORTEST = {"shortest_edge": 35}
GEOMETRIES = {
    "square": {"size": {"height": SIDE, "width": SIDE}, "do_center_crop": False},
    "oblong": {"size": {"height": 40, "width": 28}, "do_center_crop": False},
    "square and crop": {"size": {"height": 40, "width": 45}, "crop_size": {"height": SIDE, "width": SIDE}},
    "shortest edge and crop": {"size": SHORTEST, "crop_size": {"height": SIDE, "width": SIDE}},
    "odd crop": {"size": SHORTEST, "crop_size": {"height": 31, "width": 30}},
    "black edges": {"size": SHORTEST, "crop_size": {"height": 48, "width": 41}},
    "bilinear": {"size": SHORTEST, "crop_size": {"height": SIDE, "width": SIDE}, "resample": 2},
    "no normalising": {"size": {"height": SIDE, "width": SIDE}, "do_center_crop": False, "do_normalize": False},
    "other rescaling": {"size": {"height": SIDE, "width": SIDE}, "do_center_crop": False, "rescale_factor": 1 / 127.5},
}
PROCESSORS = (
    "BitImageProcessorPil",
    "CLIPImageProcessorPil",
    "DeiTImageProcessorPil",
    "MobileNetV1ImageProcessorPil",
    "MobileNetV2ImageProcessorPil",
    "SiglipImageProcessorPil",
    "ViTImageProcessorPil",
)


def frames() -> list[np.ndarray]:
    """Something like photos, and noise, which shows in what order things are rounded; of every shape."""
    random = np.random.default_rng(5)
    noise = [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]
    return [np.array(scenery(width, height)) for height, width in SHAPES] + noise


def saved(folder, name: str, **values):
    import transformers

    getattr(transformers, name)(**values).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_pixels_are_those_of_the_models_own_processor(tmp_path, geometry):
    folder = saved(tmp_path, "CLIPImageProcessorPil", **geometry)
    pixels, processor = photo_pixels(folder, "tiny", scaled=True), photo_processor(folder, "tiny")
    assert isinstance(pixels, StandardPixels)
    for frame in frames():
        expected = processor(images=Image.fromarray(frame), return_tensors="pt")["pixel_values"]
        got = pixels.batch([pixels.prepare(frame)], CPU, torch.float32)["pixel_values"]
        assert got.shape == expected.shape
        # In steps of 1 in 255: torch's integer weights are shorter than Pillow's.
        steps = (got - expected).abs() / torch.tensor(pixels.factor)[:, None, None]
        assert steps.max() < 2.01, frame.shape
        assert steps.mean() < 0.1, frame.shape


@pytest.mark.parametrize("name", PROCESSORS)
def test_every_known_processor_is_understood_by_its_defaults(tmp_path, name):
    folder = saved(tmp_path, name)
    pixels, frame = photo_pixels(folder, "tiny", scaled=False), np.array(scenery())
    assert isinstance(pixels, StandardPixels)
    expected = photo_processor(folder, "tiny")(images=Image.fromarray(frame), return_tensors="pt")["pixel_values"]
    got = pixels.batch([pixels.prepare(frame)], CPU, torch.float32)["pixel_values"]
    torch.testing.assert_close(got, expected, atol=max(pixels.factor) * 2.01, rtol=0)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("CLIPImageProcessorPil", {"resample": 1}),
        ("CLIPImageProcessorPil", {"size": {"shortest_edge": 32, "longest_edge": 64}}),
        ("CLIPImageProcessorPil", {"do_rescale": False, "do_normalize": False}),
        ("CLIPImageProcessorPil", {"do_pad": True, "pad_size": {"height": 300, "width": 300}}),
        ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 32}}),
        ("Siglip2ImageProcessorPil", {"patch_size": 8, "max_num_patches": 16}),
    ],
)
def test_anything_else_goes_through_the_models_own_processor(tmp_path, name, values):
    folder = saved(tmp_path, name, **values)
    pixels, frame = photo_pixels(folder, "tiny", scaled=True), frames()[0]
    assert isinstance(pixels, ProcessorPixels)
    assert pixels.at_least is None
    prepared = pixels.prepare(frame)
    expected = photo_processor(folder, "tiny")(images=[Image.fromarray(frame)] * 2, return_tensors="pt")
    batch = pixels.batch([prepared, prepared], CPU, torch.float32)
    assert batch.keys() == expected.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(batch[key], tensor)
        low = pixels.batch([prepared], CPU, torch.bfloat16)[key]
        assert low.dtype == (torch.bfloat16 if tensor.is_floating_point() else tensor.dtype)


def test_photos_stay_bytes_until_they_are_together(tmp_path):
    pixels = photo_pixels(models.build_clip(tmp_path), "tiny", scaled=True)
    prepared = [pixels.prepare(frame) for frame in frames()]
    for photo in prepared:
        assert photo["pixel_values"].dtype == torch.uint8
        assert photo["pixel_values"].shape == (1, 3, SIDE, SIDE)
    whole = pixels.batch(prepared, CPU, torch.float32)["pixel_values"]
    alone = [pixels.batch([photo], CPU, torch.float32)["pixel_values"] for photo in prepared]
    torch.testing.assert_close(whole, torch.cat(alone), rtol=0, atol=0)
    assert pixels.batch(prepared, CPU, torch.bfloat16)["pixel_values"].dtype == torch.bfloat16


def test_frames_of_one_size_can_be_resized_together(tmp_path):
    pixels = photo_pixels(models.build_clip(tmp_path), "tiny", scaled=True)
    random = np.random.default_rng(1)
    several = random.integers(0, 256, (3, 50, 70, 3), dtype=np.uint8)
    together = pixels.resize(torch.from_numpy(several))
    for row, frame in enumerate(several):
        assert torch.equal(together[row : row + 1], pixels.prepare(frame)["pixel_values"])


def test_frames_may_be_smaller_than_the_photo_but_not_than_what_they_become(tmp_path):
    scaled = photo_pixels(saved(tmp_path, "CLIPImageProcessorPil", size={"shortest_edge": 100}), "tiny", scaled=True)
    assert min(scaled.at_least) >= 100
    assert photo_pixels(tmp_path, "tiny", scaled=False).at_least is None


def test_a_processor_that_is_not_known_is_said(tmp_path):
    folder = models.build_clip(tmp_path)
    change_json(folder / "preprocessor_config.json", image_processor_type="NoSuchProcessor")
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match="model tiny: its image processor cannot be built"):
        photo_pixels(folder, "tiny", scaled=True)
