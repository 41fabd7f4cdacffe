"""Search over a real index with an encoder of known vectors."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from jobs.index.protocol import CLAIMS, VECTORS
from jobs.index.stores.lance import LanceStore
from jobs.job.context import JobContext
from jobs.retrieval import find
from jobs.search import Query, render_page, render_table, run, search
from tests.unit.index.index_rows import DIMENSION, claim_rows, photo_id, unit_vectors, vector_rows
from udfs.errors import IndexMismatchError, InputError, ModelError


class KnownEncoder:
    """Texts and photos to vectors that the test knows: a text is a seed; every photo is the vector of seed 5."""

    model_key, dimension, logit_scale, load_seconds = "model-a", DIMENSION, 1.0, 0.0

    def __init__(self, has_text=True):
        self.has_text = has_text

    def encode_texts(self, texts):
        return np.concatenate([unit_vectors(1, seed=int(text)) for text in texts])

    def encode_photos(self, photos):
        return np.concatenate([unit_vectors(1, seed=5) for _ in photos])


def picture():
    target = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(target, "JPEG")
    return target.getvalue()


@pytest.fixture
def indexed(settings):
    """Twenty photos; photo n shows vector n. Claim C-1 has photos 0 to 4, C-2 has 5 to 9, the rest share C-3."""
    store = LanceStore.create(settings.index.root, "model-a", DIMENSION)
    store.upsert(VECTORS, vector_rows(range(20), thumbnail=picture()))
    links = [("C-1" if number < 5 else "C-2" if number < 10 else "C-3", number) for number in range(20)]
    links += [(f"D-{number}", 7) for number in range(7)]
    severities = {"C-1": "Minor Damage", "C-2": "Total Loss"}
    store.upsert(CLAIMS, claim_rows(links, reported_severity=[severities.get(claim) for claim, _ in links]))
    return settings


def asked(settings, limit=5, encoder=None, **query):
    return search(settings, Query(**query), limit, encoder=encoder or KnownEncoder())


def numbers(result):
    return [int(hit.photo_id, 16) for hit in result.hits]


def best(query, among):
    cosines = {number: float(unit_vectors(1, seed=number)[0] @ query) for number in among}
    return sorted(cosines, key=lambda number: -cosines[number])


def test_a_sentence_finds_the_nearest_photos_in_order(indexed):
    result = asked(indexed, sentence="77")
    assert numbers(result) == best(unit_vectors(1, seed=77)[0], range(20))[:5]
    assert [hit.rank for hit in result.hits] == [1, 2, 3, 4, 5]


def test_a_photo_and_a_sentence_are_weighed(indexed, tmp_path):
    path = tmp_path / "query.jpg"
    path.write_bytes(picture())
    assert numbers(asked(indexed, photo=path))[0] == 5
    both = asked(indexed, sentence="77", photo=path, weight=0.3)
    mixed = 0.3 * unit_vectors(1, seed=77)[0] + 0.7 * unit_vectors(1, seed=5)[0]
    assert numbers(both) == best(mixed, range(20))[:5]
    assert numbers(asked(indexed, sentence="77", photo=path, weight=1.0)) == numbers(asked(indexed, sentence="77"))
    assert both.hits[0].score == pytest.approx(
        float(unit_vectors(1, seed=numbers(both)[0])[0] @ mixed / np.linalg.norm(mixed)), abs=1e-5
    )


def test_a_claim_finds_others_like_it_and_not_itself(indexed):
    result = asked(indexed, claim_id="C-1", encoder=None)
    assert not set(numbers(result)) & set(range(5))
    assert len(result.asked_with) == 5
    nearest = max(float(unit_vectors(1, seed=own)[0] @ unit_vectors(1, seed=numbers(result)[0])[0]) for own in range(5))
    assert result.hits[0].score == pytest.approx(nearest, abs=1e-5)
    assert set(numbers(asked(indexed, claim_id="C-1", include_self=True))) == set(range(5))


@pytest.mark.parametrize("listed", [5000, 0])
def test_filters_are_exact_however_many_photos_they_leave(indexed, monkeypatch, listed):
    monkeypatch.setattr(find, "LISTED_IDS", listed)
    query = unit_vectors(1, seed=77)[0]
    result = asked(indexed, sentence="77", where=("reported_severity = total loss",), limit=3)
    assert numbers(result) == best(query, range(5, 10))[:3]
    assert result.candidates == 5
    both = asked(indexed, sentence="77", where=("reported_severity = total loss", "severity = severe"))
    assert numbers(both) == best(query, [6, 8])
    assert asked(indexed, sentence="77", where=("claim_id = C-9",)).hits == ()


def test_a_hit_names_up_to_five_claims_and_how_many_there_are(indexed):
    hit = asked(indexed, sentence="7", limit=1).hits[0]
    assert int(hit.photo_id, 16) == 7
    assert (len(hit.claim_ids), hit.claims) == (5, 8)
    assert hit.reported_severities == ("Total Loss",)
    filtered = asked(indexed, sentence="7", where=("claim_id = D-6",)).hits[0]
    assert filtered.claim_ids[0] == "D-6"


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ({}, InputError, "Nothing was asked"),
        ({"sentence": "  "}, InputError, "Nothing was asked"),
        ({"claim_id": "C-404"}, InputError, "no claim C-404"),
        ({"photo": Path("nowhere.jpg")}, InputError, "nowhere.jpg: cannot be read"),
        ({"photo": Path(__file__)}, InputError, "not a photo that can be read"),
        ({"sentence": "1", "entity": "video"}, InputError, "must be one of photo, narrative"),
        ({"sentence": "1", "weight": 2.0}, InputError, "between 0"),
        ({"sentence": "1", "where": ("severity = minor",), "entity": "narrative"}, InputError, "no damage columns"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(indexed, query, error, message):
    with pytest.raises(error, match=message):
        asked(indexed, **query)


def test_a_sentence_needs_a_model_with_text(indexed):
    with pytest.raises(ModelError, match="no text tower"):
        asked(indexed, sentence="1", encoder=KnownEncoder(has_text=False))


def test_no_index_and_an_index_of_another_model_are_told_apart(settings, indexed, tmp_path):
    other = KnownEncoder()
    other.model_key = "model-b"
    with pytest.raises(IndexMismatchError, match="no index of model_key model-b, only of model-a"):
        asked(indexed, sentence="1", encoder=other)
    empty = settings.model_copy(update={"index": settings.index.model_copy(update={"root": str(tmp_path / "none")})})
    with pytest.raises(InputError, match="Run claimlens sync-index"):
        asked(empty, sentence="1")


def test_the_report_the_table_and_the_page_show_the_same_hits(indexed, monkeypatch):
    monkeypatch.setattr(find, "_model", lambda *_: ("model-a", True))
    monkeypatch.setattr("udfs.models.load_encoder", lambda _: KnownEncoder())
    report = run(JobContext.create(indexed), sentence="7", limit=3)
    hits = report.as_dict()["hits"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert "thumbnail" not in hits[0]
    console = Console(file=io.StringIO(), width=160)
    render_table(report, console)
    page = render_page(report)
    for hit in hits:
        assert hit["photo_id"][:12] in console.file.getvalue()
        assert hit["photo_id"] in page
    assert page.count("data:image/jpeg;base64,") == 3


def test_the_page_escapes_what_users_and_claims_say(indexed):
    result = asked(indexed, sentence="7", where=("claim_id != <script>alert(1)</script>",), limit=1)
    page = render_page(result)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert photo_id(7) in page
