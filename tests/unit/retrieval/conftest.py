"""An index of twenty photos."""

import pytest

from jobs.index.protocol import CLAIMS, VECTORS
from jobs.index.stores.lance import LanceStore
from tests.unit.index.old_rows import DIMENSION, claim_rows, vector_rows


@pytest.fixture
def indexed(settings):
    """Twenty photos; photo n shows vector n. Claim C-1 has photos 0 to 4, C-2 has 5 to 9, the rest share C-3."""
    store = LanceStore.create(settings.index.root, "model-a", DIMENSION)
    store.upsert(VECTORS, vector_rows(range(20)))
    links = [("C-1" if number < 5 else "C-2" if number < 10 else "C-3", number) for number in range(20)]
    links += [(f"D-{number}", 7) for number in range(7)]
    severities = {"C-1": "Minor Damage", "C-2": "Total Loss"}
    store.upsert(CLAIMS, claim_rows(links, reported_severity=[severities.get(claim) for claim, _ in links]))
    return settings
