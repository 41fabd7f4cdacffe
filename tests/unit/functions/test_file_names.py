"""Globs as regular expressions find what the globs themselves find."""

import re
from pathlib import Path

import pytest

from udfs.functions.file_names import java_name_pattern, place_pattern

FOLDERS = ("2023", "2024", "2024/deep", "notes", "x [1]", "a.b", "axb")


@pytest.mark.parametrize(
    "glob", ["20*", "{2023,notes}", "20?4", "x \\[1\\]", "[!2]*", "*/d*p", "a.b", "**", "2024/[a-d]eep"]
)
def test_a_place_fits_its_pattern_where_the_glob_finds_it(tmp_path, glob):
    from udfs.functions.file_names import expanded

    for name in FOLDERS:
        (tmp_path / name).mkdir(parents=True)
    found = {str(path) for pattern in expanded(glob) for path in tmp_path.glob(pattern)}
    pattern = re.compile(f"^(?:{place_pattern(f'{tmp_path}/{glob}')})$")
    fitting = {str(path) for path in [tmp_path, *tmp_path.rglob("*")] if pattern.match(str(path))}
    assert fitting | {str(tmp_path)} == found | {str(tmp_path)}


def test_a_name_pattern_for_java_asks_for_the_whole_name():
    pattern = java_name_pattern("*.{jpg,p?g}")
    assert "\\Z" not in pattern
    python = re.compile(pattern.replace("\\z", "\\Z"))
    assert [bool(python.search(name)) for name in ("a.jpg", "a.png", "a.jpg.txt", "b.gif")] == [
        True,
        True,
        False,
        False,
    ]
    assert Path("a.jpg").match("*.jpg")
