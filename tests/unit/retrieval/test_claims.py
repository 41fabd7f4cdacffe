"""A claim is found by the beginning of its number."""

import pytest

from jobs.index.opening import open_reader
from jobs.retrieval.claims import claim_meant
from tests.unit.index.index_rows import MODEL, entity_rows
from tests.unit.retrieval.conftest import claim, put
from udfs.errors import InputError


@pytest.fixture
def index(settings, writer):
    ids = ["K-1", "K-10", "K-11", "m%_'x", "2b80f4", *(f"N-{number:02}" for number in range(25))]
    put(writer, entity_rows([1, 2], claims={1: [claim(claim_id) for claim_id in ids], 2: [claim("2b80f4")]}))
    return open_reader(settings.index, MODEL)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("2b80f4", "2b80f4"),
        ("2b", "2b80f4"),
        ("2B8", "2b80f4"),
        (" 2b ", "2b80f4"),
        ("K-1", "K-1"),
        ("k-1", "K-1"),
        ("m%", "m%_'x"),
        ("m%_'", "m%_'x"),
    ],
)
def test_a_unique_beginning_is_enough_and_the_whole_number_always_is(index, asked, meant):
    assert claim_meant(index, asked) == meant


def test_several_claims_are_named_up_to_ten(index):
    with pytest.raises(InputError, match=r"25 claims begin so: N-00, .*, N-09 and 15 more\. Give more"):
        claim_meant(index, "N-")


def test_a_number_that_is_not_there_gets_the_nearest(index):
    with pytest.raises(InputError, match=r"There is no claim 2b81f4 .*; the nearest is 2b80f4"):
        claim_meant(index, "2b81f4")
    with pytest.raises(InputError, match="check the number, or run claimlens sync-index"):
        claim_meant(index, "entirely different")
    with pytest.raises(InputError, match="There is no claim m_"):
        claim_meant(index, "m_")
