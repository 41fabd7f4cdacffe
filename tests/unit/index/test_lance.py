"""The Lance store: the contract of every store, and what only files can show."""

import pytest

from jobs.settings.sections import IndexSettings
from tests.unit.index.store_contract import StoreContract


class TestLance(StoreContract):
    @pytest.fixture
    def settings(self, tmp_path):
        return IndexSettings(root=str(tmp_path / "index"))
