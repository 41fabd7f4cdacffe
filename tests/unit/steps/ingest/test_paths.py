"""Paths and patterns as people write them reach Spark as what they mean."""

import re

import pytest

from jobs.steps.ingest.paths import java_pattern, literal_path, without_scheme
from udfs.errors import SettingsError
from udfs.records.names import nearest


def test_glob_characters_in_a_name_are_escaped():
    assert literal_path("file:/a/b [1]{c}*?.jpg") == r"file:/a/b \[1\]\{c\}\*\?.jpg"
    assert literal_path("file:/a/plain name.jpg") == "file:/a/plain name.jpg"


def test_a_named_group_becomes_a_number_that_matches_the_same_text():
    pattern, group = java_pattern(r".*/(?P<year>\d{4})/(?P<claim_id>[^/]+)/(?P=year)[^/]*$", "claim_id")
    assert group == 2
    assert "?P" not in pattern
    assert re.search(pattern, "file:/x/2024/C-7/2024_a.jpg").group(group) == "C-7"


@pytest.mark.parametrize(("pattern", "message"), [("(", "not a regular expression"), ("(.*)", "claim_id")])
def test_an_unusable_pattern_is_refused_in_one_line(pattern, message):
    with pytest.raises(SettingsError, match=message) as refused:
        java_pattern(pattern, "claim_id")
    assert "\n" not in str(refused.value)


def test_nearest_names_come_first():
    assert nearest("claim_no", ["policy", "claim_number", "x"]).startswith("claim_number")
    assert nearest("claim_no", []) == "none"


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("file:/a/b", "/a/b"),
        ("file:///a/b", "/a/b"),
        ("dbfs:/Volumes/x", "/Volumes/x"),
        ("/Volumes/x", "/Volumes/x"),
        ("s3a://bucket/x", "bucket/x"),
        ("s3://bucket/x", "bucket/x"),
        ("/a:b/c", "/a:b/c"),
    ],
)
def test_one_place_under_its_several_schemes(path, plain):
    assert without_scheme(path) == plain
