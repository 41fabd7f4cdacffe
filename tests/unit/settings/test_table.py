"""The README's table of settings is made from the settings."""

from pathlib import Path

import pytest

from jobs.settings.keys import plain_keys
from jobs.settings.sections import Settings
from jobs.settings.table import settings_table, updated

README = Path(__file__).resolve().parents[3] / "README.md"


def test_the_readme_is_up_to_date():
    text = README.read_text(encoding="utf-8")
    assert updated(text) == text, "run python -m jobs.settings.table README.md"


def test_every_setting_says_what_it_means():
    assert not [".".join(path) for path, field in plain_keys(Settings) if not field.description]


def test_a_row_is_one_row_whatever_the_default_holds():
    widths = {line.replace("\\|", "").count("|") for line in settings_table().splitlines()}
    assert widths == {4}


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="settings:begin"):
        updated("# no marks here")
