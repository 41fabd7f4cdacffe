"""An index of twenty photos."""

import pytest

from jobs.index.opening import open_writer
from tests.unit.index.arrow_frame import ArrowFrame
from tests.unit.index.index_rows import DIMENSION, MODEL, entity_rows, keys


@pytest.fixture
def indexed(settings):
    """Twenty photos; photo n shows vector n. Claim C-1 has photos 0 to 4, C-2 has 5 to 9, the rest share C-3."""
    claims = {number: [claim("C-1" if number < 5 else "C-2" if number < 10 else "C-3")] for number in range(20)}
    claims[7] += [claim(f"D-{number}") for number in range(7)]
    put(settings, entity_rows(range(20), claims=claims))
    return settings


def claim(claim_id):
    return {"claim_id": claim_id, "reported_severity": {"C-1": "Minor Damage", "C-2": "Total Loss"}.get(claim_id)}


def put(settings, rows, gone=()):
    """Put these rows into the index, and take these photos out."""
    open_writer(settings.index, MODEL, DIMENSION).apply(ArrowFrame(rows), ArrowFrame(keys(list(gone))))
