"""A small model that the tests with Spark share."""

import pytest

from tests.models import build_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    return build_clip(tmp_path_factory.mktemp("models") / "clip")
