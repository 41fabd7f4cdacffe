"""A code is a plain string in tables, and brings its meaning and its remedy along."""

import pickle

import pytest

from udfs.outcome import ERROR_CODES, ErrorCode, explain


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_code_has_an_explanation_and_a_remedy(code):
    meaning, remedy = explain(code)
    assert "not known to this version" not in meaning
    assert meaning.endswith(".")
    assert remedy.endswith(".")


def test_a_code_of_a_newer_version_is_named():
    assert "melted" in explain("melted")[0]


def test_a_code_is_its_text():
    assert ErrorCode("corrupt") is ErrorCode.CORRUPT
    assert f"{ErrorCode.CORRUPT}" == ErrorCode.CORRUPT == "corrupt"
    assert pickle.loads(pickle.dumps(ErrorCode.EMPTY)).remedy == ErrorCode.EMPTY.remedy
