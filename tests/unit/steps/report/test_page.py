"""The page holds everything it shows, asks nobody for anything, and lets no text become markup."""

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from jobs.steps.report.classes import CLASSES_SHOWN, PHOTOS_PER_CLASS
from jobs.steps.report.content import SECTIONS, Content, DamageClass, DuplicateGroup, DuplicatePhoto, Mismatch
from jobs.steps.report.duplicates import GROUPS_SHOWN
from jobs.steps.report.figures import SHEET_BYTES
from jobs.steps.report.mismatches import MISMATCHES_SHOWN, NARRATIVE_CHARACTERS, PHOTOS_PER_MISMATCH
from jobs.steps.report.page import data_uri, map_legend, render_page
from jobs.steps.report.photo_groups import PHOTOS_PER_GROUP
from jobs.steps.report.photo_map import MAP_POINTS
from jobs.steps.report.review import REVIEW_SHOWN
from jobs.steps.report.thumbnails import THUMBNAIL_BYTES
from tests.unit.steps.report.sample_content import CLASSES, NOW, sample_card, sample_content

OBEYED = "\x00\x1b]0;owned\x07\x9b2J\u202e\ud800"
HOSTILE = f""""><script>alert('x')</script><img src=x onerror=alert(1)>{{{{ 7 * 7 }}}}{OBEYED}"""


class Reader(HTMLParser):
    """Collects the page's elements, and checks that they close in order."""

    EMPTY = frozenset({"meta", "link", "img", "br", "input", "use", "circle", "rect", "path"})

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.misnested = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.misnested.append(tag)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def content():
    return sample_content()


@pytest.fixture(scope="module")
def page(content):
    return render_page(content)


def test_every_section_is_there_and_is_in_the_contents(page):
    reader = Reader(page)
    assert [attributes["id"] for attributes in reader.all("section")] == list(SECTIONS)
    targets = {attributes["href"] for attributes in reader.all("a")}
    assert {f"#{name}" for name in SECTIONS} <= targets
    assert (reader.open, reader.misnested) == ([], [])


def test_nothing_is_fetched(page):
    for tag, attributes in Reader(page).elements:
        for name in ("src", "href", "srcset", "poster", "action", "data"):
            address = attributes.get(name) or "#"
            assert address.startswith(("#", "data:")), f"<{tag} {name}={address[:60]}>"
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_the_policy_allows_the_pages_own_script_and_no_other(page):
    import hashlib

    script = re.search(r"<script>(.*)</script>", page, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_each_shown_photo_has_its_picture_and_words_for_it(page, content):
    pictures = Reader(page).all("img")
    cards = sum(len(group.cards) for group in content.classes) + len(content.review)
    cards += sum(len(claim.cards) for claim in content.mismatches) + sum(len(g.photos) for g in content.duplicates)
    assert len(pictures) == cards
    assert {attributes["src"] for attributes in pictures} == {
        data_uri(content.thumbnails[photo_id]) for photo_id in content.shown_photos()
    }
    assert all(attributes["alt"] for attributes in pictures)
    first = base64.b64decode(pictures[0]["src"].partition(",")[2])
    assert Image.open(io.BytesIO(first)).size == (300, 225)


def test_text_stays_text(content):
    claim = Mismatch(
        HOSTILE,
        "seen_worse",
        HOSTILE,
        "minor",
        "severe",
        (HOSTILE,),
        HOSTILE,
        HOSTILE,
        cards=(sample_card(1, HOSTILE),),
    )
    point = dataclasses.replace(content.photo_map.points[0], label=HOSTILE, claim_id=HOSTILE + "</script>")
    hostile = dataclasses.replace(
        content,
        mismatches=(claim,),
        classes=(DamageClass(HOSTILE, 1, 0, 0.5, {}, (sample_card(2, HOSTILE),)),),
        photo_map=dataclasses.replace(content.photo_map, points=(point,)),
    )
    page = render_page(hostile)
    assert not set(page) & set(OBEYED.replace("]0;owned", "").replace("2J", ""))
    assert not re.search(r"\\u00(00|1b|9b)|\\u202e", page), "nor in the map's data"
    page.encode("utf-8")
    reader = Reader(page)
    assert len(reader.all("script")) == 2, "the map's data and the page's own script"
    assert not any("onerror" in attributes for _, attributes in reader.elements)
    assert not any(attributes.get("src") == "x" for attributes in reader.all("img"))
    assert (reader.open, reader.misnested) == ([], [])
    assert "49" not in re.findall(r"&lt;img[^{]*(.{2})", render_page(hostile))


def test_an_empty_place_says_what_is_missing_in_every_section():
    missing = {name: f"Run the job that makes {name}." for name in SECTIONS}
    page = render_page(Content(NOW, "local", missing=missing))
    assert all(sentence in page for sentence in missing.values())
    assert "\N{EN DASH}" in page


def test_what_went_well_is_said_and_not_left_blank():
    page = render_page(Content(NOW, "local"))
    for sentence in ("Nothing failed.", "agrees with its photos", "No picture appears in more than one claim."):
        assert sentence in page


def test_a_photo_whose_picture_is_gone_leaves_its_words(content):
    page = render_page(dataclasses.replace(content, thumbnails={}, tiles={}))
    assert page.count("picture not stored") > 50
    assert not Reader(page).all("img")


def test_a_class_has_one_look_in_the_gallery_and_on_the_map(content):
    legend = {entry.name: (entry.colour, entry.shape) for entry in map_legend(content)}
    assert list(legend) == list(CLASSES)
    assert len(set(legend.values())) == len(CLASSES)


def test_every_point_is_on_the_map(page, content):
    marks = [attributes for attributes in Reader(page).all("use") if "data-n" in attributes]
    assert sorted(int(mark["data-n"]) for mark in marks) == list(range(len(content.photo_map.points)))


def test_the_page_stays_small_when_every_list_is_full(content):
    """At any size of the tables: the bounds are on what is shown, not on what there is."""
    largest, sheet = bytes(THUMBNAIL_BYTES), bytes(SHEET_BYTES)
    cards = tuple(sample_card(number) for number in range(PHOTOS_PER_CLASS))
    group = DuplicateGroup(tuple(DuplicatePhoto(f"{n:064}", ("A" * 20,) * 4) for n in range(PHOTOS_PER_GROUP)), ("A",))
    claim = dataclasses.replace(
        content.mismatches[0], narrative="x" * NARRATIVE_CHARACTERS, cards=cards[:PHOTOS_PER_MISMATCH]
    )
    full = dataclasses.replace(
        content,
        classes=tuple(
            dataclasses.replace(content.classes[0], name=f"class {n}", cards=cards) for n in range(CLASSES_SHOWN)
        ),
        review=cards * (REVIEW_SHOWN // len(cards)),
        mismatches=(claim,) * MISMATCHES_SHOWN,
        duplicates=(group,) * GROUPS_SHOWN,
        photo_map=dataclasses.replace(content.photo_map, points=(content.photo_map.points * 4)[:MAP_POINTS]),
    )
    full = dataclasses.replace(full, thumbnails=dict.fromkeys(full.shown_photos(), largest), tiles={})
    assert len(full.photo_map.points) == MAP_POINTS
    assert len(render_page(full)) + len(data_uri(sheet)) < 8_000_000
