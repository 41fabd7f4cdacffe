"""An index of twenty photos and three passages."""

import pyarrow as pa
import pytest

from jobs.index.opening import open_writer
from tests.unit.index.arrow_frame import ArrowFrame
from tests.unit.index.index_rows import DIMENSION, MODEL, entity_rows, keys

SEVERITIES = {"C-1": "Minor Damage", "C-2": "Total Loss"}


def claim(claim_id):
    return {"claim_id": claim_id, "reported_severity": SEVERITIES.get(claim_id)}


@pytest.fixture
def writer(settings):
    return open_writer(settings.index, MODEL, DIMENSION)


@pytest.fixture
def indexed(settings, writer):
    """Twenty photos; photo n shows vector n. Claim C-1 has photos 0 to 4, C-2 has 5 to 9, the rest share C-3, and photo
    7 belongs to seven claims more. Passages 30 to 32 say something of C-1, C-2 and C-3."""
    claims = {number: [claim("C-1" if number < 5 else "C-2" if number < 10 else "C-3")] for number in range(20)}
    claims[7] += [claim(f"D-{number}") for number in range(7)]
    photos = entity_rows(range(20), claims=claims)
    said = {number: [claim(f"C-{number - 29}")] for number in range(30, 33)}
    passages = entity_rows(said, entity="passage", claims=said, text="the door is dented")
    put(writer, pa.concat_tables([photos, passages]))
    return settings


def put(writer, rows, gone=()):
    writer.apply(ArrowFrame(rows), ArrowFrame(keys(gone)))
