"""Hits in a terminal, on a page and as JSON."""

import io
import json

import pytest
from rich.console import Console

from jobs.retrieval.hits import Hit, SearchResult
from jobs.retrieval.question import Query
from jobs.steps.search.page import render_page
from jobs.steps.search.report import report_of
from jobs.steps.search.table import render_table
from tests.unit.retrieval.questions import picture

PHOTO = "3f9a" * 16
CLAIMS = tuple(f"2b80f4-2024-{number:06}" for number in range(5))
HOSTILE = "ansi \x1b]0;owned\x07 \x1b[2J \x9b2J \u202ereversed \x00 \ud800 <script>alert(1)</script> [red]"


def hit(**values):
    return Hit(
        **{
            "rank": 1,
            "score": 0.98765,
            "entity": "photo",
            "entity_id": PHOTO,
            "claim_ids": CLAIMS,
            "claims": 8,
            "labels": ("shattered_glass", "dent"),
            "severity": "severe",
            "part": "front_bumper",
            "confidence": 0.91,
            "decision": "accepted",
            "reported_severities": ("Major Damage", "Total Loss"),
            **values,
        }
    )


def result(*hits, query=None, **values):
    return SearchResult(query or Query(sentence="a dent"), hits, "model-a", "/index", 20, **values)


def printed(found, width):
    console = Console(file=io.StringIO(), width=width)
    render_table(found, console)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 160])
def test_ids_are_never_broken_however_narrow_the_terminal(width):
    lines = printed(result(hit(), hit(rank=2)), width).splitlines()
    for claim in CLAIMS:
        assert any(claim in line.split() for line in lines)
    assert sum(PHOTO[:12] in line.split() for line in lines) == 2
    assert any("and 3 more" in line for line in lines)


def test_eighty_columns_still_say_what_is_damaged_and_wide_ones_say_all():
    narrow = printed(result(hit()), 80)
    assert max(len(line) for line in narrow.splitlines()) <= 80
    assert "severe" in narrow
    wide = printed(result(hit()), 160)
    for words in ("shattered_glass, dent", "front_bumper", "accepted", "Major Damage, Total Loss"):
        assert words in wide


@pytest.mark.parametrize("width", [80, 160])
def test_what_claims_and_users_say_cannot_command_the_terminal_or_the_page(width):
    photo = hit(claim_ids=(HOSTILE,), labels=(HOSTILE,), part=HOSTILE, reported_severities=(HOSTILE,))
    passage = hit(entity="passage", claim_ids=(HOSTILE,), text=HOSTILE)
    query = Query(sentence=HOSTILE, photo_name=HOSTILE, photo=b"x", where=(HOSTILE,))
    for shown in (photo, passage):
        asked = Query(**{**vars(query), "entity": shown.entity})
        for text in (printed(result(shown, query=asked), width), render_page(result(shown, query=asked), {}, HOSTILE)):
            assert not [letter for letter in text if letter in "\x00\x07\x1b\x9b\u202e\ud800"]
            assert "ansi" in text
            text.encode("utf-8")
    assert "<script>" not in render_page(result(photo, query=query), {}, HOSTILE)


def test_the_page_shows_each_picture_once_and_says_where_there_is_none():
    other = "aa" * 32
    found = result(hit(), hit(rank=2, entity_id=other), query=Query(claim_id="2b"), claim_id="2b80f4", asked_ids=("q",))
    page = render_page(found, {PHOTO: picture(), "q": picture((1, 2, 3))})
    assert page.count("data:image/jpeg;base64,") == 2
    assert page.count("no picture") == 1
    assert "Claims like 2b80f4" in page
    assert PHOTO in page
    assert other in page
    without = render_page(found, {}, "No pictures: the photos are elsewhere.")
    assert "No pictures: the photos are elsewhere." in without


def test_a_photo_that_was_asked_with_stands_at_the_top_of_the_page():
    found = result(query=Query(photo=b"original", photo_name="door.jpg"), asked_photo=picture())
    page = render_page(found, {})
    assert page.count("data:image/jpeg;base64,") == 1
    assert "Photos like door.jpg" in page
    assert "Nothing found: the index has no photos to compare" in page
    filtered = result(query=Query(sentence="dent", where=("severity = minor",)))
    assert "no photo in the index passes these filters" in printed(filtered, 80)


def test_the_report_carries_the_hits_as_json():
    report = report_of(result(hit(), seconds={"question": 0.1}, query=Query(photo=b"x", photo_name="door.jpg")), "run")
    values = json.loads(json.dumps(report.as_dict()))
    assert values["query"] == {"photo": "door.jpg", "entity": "photo"}
    assert values["hits"][0]["entity_id"] == PHOTO
    assert values["hits"][0]["score"] == 0.98765
    assert values["status"] == "done"
    assert report_of(result(), "run").status == "nothing_to_do"
