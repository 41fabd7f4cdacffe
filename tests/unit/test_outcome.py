"""A code is a plain string in tables, and brings along its meaning, its remedy, and what it depends on."""

import pickle
import re

import pytest

from jobs.settings.sections import Section, Settings
from udfs.outcome import ERROR_CODES, DependsOn, ErrorCode, explain


def keys(section: Section, above: str = "") -> set[str]:
    found = set()
    for name, value in section:
        found |= keys(value, f"{above}{name}.") if isinstance(value, Section) else {above + name}
    return found


SETTINGS = keys(Settings())


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_code_has_an_explanation_and_a_remedy(code):
    meaning, remedy = explain(code)
    assert "not known to this version" not in meaning
    assert meaning.endswith(".")
    assert remedy.endswith(".")


@pytest.mark.parametrize("code", list(ErrorCode))
def test_the_advice_of_every_code_can_be_followed(code):
    named = set(re.findall(r"\bingest\.[a-z]\w*", f"{code.meaning} {code.remedy}"))
    assert named <= SETTINGS
    assert "delete" not in code.remedy  # nobody has to touch a table
    assert ("by itself" in code.remedy) == code.retryable
    assert (code.depends_on is DependsOn.LIMIT) == (code.setting in SETTINGS)
    if code.setting is not None:
        assert f"raise {code.setting}" in code.remedy


def test_a_code_of_a_newer_version_is_named():
    assert "melted" in explain("melted")[0]


def test_a_code_is_its_text():
    assert ErrorCode("corrupt") is ErrorCode.CORRUPT
    assert f"{ErrorCode.CORRUPT}" == ErrorCode.CORRUPT == "corrupt"
    assert pickle.loads(pickle.dumps(ErrorCode.EMPTY)).remedy == ErrorCode.EMPTY.remedy
