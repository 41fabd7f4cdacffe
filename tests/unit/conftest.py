"""Tiny models that several of the unit tests load, built once."""

import pytest

from tests.models import build_clip
from udfs.models import ModelReference
from udfs.models.transformers.kind import load_encoder


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> ModelReference:
    """A CLIP whose photos may be shrunk as they are decoded; in float32, so that vectors can be compared closely."""
    folder = build_clip(tmp_path_factory.mktemp("shared-models") / "clip")
    return ModelReference(str(folder), device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def clip_encoder(clip):
    """The same, loaded into this process."""
    return load_encoder(clip)
