"""Keys are text: one key however it was written, and never one for what is no key."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.functions.key_batches import key_batches
from udfs.keys import key_of


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("C-1", "C-1"),
        ("  C-1\t", "C-1"),
        ("\u00a0C-1\u200b\ufeff", "C-1"),
        ("C\u00a01", "C 1"),
        ("007", "007"),
        ("0071.0", "0071.0"),
        ("10000001.0", "10000001"),
        ("10000001.000", "10000001"),
        ("1002.0", "1002"),
        ("1.0000001E7", "10000001"),
        ("1.0E7", "10000000"),
        ("1.0000001e+16", "10000001000000000"),
        ("1.0000001E+7", "10000001"),
        ("-5.0", "-5"),
        ("0.0", "0"),
        ("1.000", "1.000"),
        ("1002.5", "1002.5"),
        ("1.5E0", "1.5E0"),
        ("12E3", "12E3"),
        ("1e5", "1e5"),
        ("2024e", "2024e"),
        ("0", "0"),
        ("Null-7", "Null-7"),
        ("Müller", "Müller"),
        ("Mu\u0308ller", "Müller"),
        ("日本1", "日本1"),
    ],
)
def test_a_key_is_the_same_however_it_was_written(written, key):
    assert key_of(written) == key


WORDS = (
    "NULL null Null nan NaN NAN -nan None NONE N/A n/a NA #N/A <NA> NaT - -- ? . _ #REF! #DIV/0! Infinity -inf (null)"
)
ROUNDED = "1.23457E+17 1.23E+11 1E+07"
BLANKS = [None, "", " ", "\u00a0", "\u200b", "\u2003 \ufeff", "\0", " NULL\u00a0", "N/A\u200b", "\u2013"]


@pytest.mark.parametrize("written", [*WORDS.split(), *ROUNDED.split(), *BLANKS])
def test_words_for_no_value_are_no_key(written):
    assert key_of(written) is None


@pytest.mark.parametrize(
    ("written", "key"),
    [("1E5", "100000"), ("1e+07", "10000000"), ("1.000", "1"), ("10000001.0", "10000001"), ("17", "17")],
)
def test_a_number_is_read_as_one(written, key):
    assert key_of(written, number=True) == key


@given(st.integers(0, 2**53))
def test_every_program_s_way_to_write_a_whole_number_is_one_key(number):
    for written in (str(number), f"{float(number)!r}", f"{number}.0", f" {number}\u200b"):
        assert key_of(written) == str(number)
    mantissa, power = f"{number:.16e}".split("e")
    digits = mantissa.rstrip("0")
    java = f"{digits}{'0' * digits.endswith('.')}E{int(power)}"
    assert number < 10 or key_of(java) == str(number)


@given(st.text())
def test_a_key_is_its_own_key_and_has_no_blank_around(text):
    key = key_of(text)
    if key is not None:
        assert key_of(key) == key
        assert key == key.strip() == unicodedata.normalize("NFC", key)


def test_a_column_of_texts_becomes_one_of_keys_and_the_others_pass():
    batch = pa.record_batch({"path": ["a", "b", "c"], "claim_id": ["1.0000001E7", "N/A", None]})
    (keyed,) = key_batches("claim_id")(iter([batch]))
    assert keyed.to_pydict() == {"path": ["a", "b", "c"], "claim_id": ["10000001", None, None]}
