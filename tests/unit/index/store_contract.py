"""What every index store has to do. A store's test class inherits this and says how its settings look (`settings`)."""

import datetime

import numpy as np
import pytest

from jobs.index.filters import parse_filter
from jobs.index.opening import open_reader, open_writer
from jobs.index.protocol import Fingerprint
from tests.unit.index.arrow_frame import ArrowFrame
from tests.unit.index.index_rows import DIMENSION, MODEL, entity_rows, keys, photo_id, unit_vectors
from udfs.errors import InputError

NONE = keys([])
CLAIMS = {
    0: [{"claim_id": "C-1", "reported_severity": "Minor Damage", "amount_total": 9000.0}],
    1: [
        {"claim_id": "C-1", "reported_severity": "Minor Damage", "amount_total": 9000.0},
        {"claim_id": "C-2", "reported_severity": "Total Loss", "amount_total": 100.0},
    ],
    2: [{"claim_id": "C-2", "reported_severity": "Total Loss", "amount_total": 100.0}],
    3: [
        {
            "claim_id": "O'Brien",
            "reported_severity": None,
            "amount_total": 7000.0,
            "incident_date": datetime.date(2024, 5, 31),
            "damages": ["dent", "glass_shatter"],
            "review": True,
            "narrative": "it's raining",
        }
    ],
}


def numbers(found):
    return [int(row.entity_id, 16) for row in found]


def nearest_of(query, among):
    cosines = {number: float(unit_vectors(1, seed=number)[0] @ query) for number in among}
    return sorted(cosines, key=lambda number: -cosines[number])


class StoreContract:
    @pytest.fixture
    def writer(self, settings):
        return open_writer(settings, MODEL, DIMENSION)

    def put(self, writer, rows, gone=NONE):
        return writer.apply(ArrowFrame(rows), ArrowFrame(gone))

    def search(self, settings, *where, limit=10, seed=77, **options):
        filters = [parse_filter(text) for text in where]
        return open_reader(settings, MODEL).nearest(unit_vectors(1, seed=seed), limit, filters, **options)

    def test_before_the_first_write_there_is_nothing_and_nothing_is_made(self, settings, writer):
        assert writer.version() is None
        assert writer.fingerprint() == Fingerprint(0, 0)
        with pytest.raises(InputError, match="claimlens sync-index"):
            open_reader(settings, MODEL)

    def test_rows_come_change_and_go_and_the_fingerprint_follows(self, settings, writer):
        first = self.put(writer, entity_rows(range(10)))
        assert (first.added, first.changed, first.unchanged) == (10, 0, 0)
        assert first.written == writer.fingerprint()
        again = self.put(writer, entity_rows(range(10)))
        assert (again.added, again.changed, again.unchanged) == (0, 0, 10)
        before = writer.fingerprint()
        done = self.put(writer, entity_rows(range(8, 12), part="bumper"), keys([1, 2, 99]))
        assert (done.added, done.changed, done.deleted) == (2, 2, 2)
        assert before - done.removed + done.written == writer.fingerprint()
        reader = open_reader(settings, MODEL)
        assert reader.count() == 10
        assert reader.get("photo", [photo_id(9), photo_id(1), photo_id(7)])[0].columns["part"] == "bumper"

    def test_a_delete_goes_by_the_whole_key(self, writer):
        self.put(writer, entity_rows(range(3)))
        assert self.put(writer, entity_rows([]), keys([1], entity="passage")).deleted == 0

    def test_replacing_leaves_the_new_rows_only(self, settings, writer):
        self.put(writer, entity_rows(range(5)))
        version = writer.version()
        written = writer.replace(ArrowFrame(entity_rows(range(3, 10))))
        assert written == writer.fingerprint()
        assert written.rows == 7
        assert version is None or writer.version() != version
        assert set(numbers(self.search(settings))) == set(range(3, 10))

    def test_relabelling_changes_everything_but_the_vector_and_tells_what_is_missing(self, settings, writer):
        self.put(writer, entity_rows(range(4)))
        before = writer.fingerprint()
        labels = entity_rows([1, 9], severity="total").drop_columns(["vector", "vector_hash"])
        done = writer.relabel(ArrowFrame(labels))
        assert (done.changed, done.missing) == (1, (("photo", photo_id(9)),))
        assert before - done.removed + done.written == writer.fingerprint()
        row = open_reader(settings, MODEL).get("photo", [photo_id(1)], with_vectors=True)[0]
        assert row.columns["severity"] == "total"
        assert row.vector == pytest.approx(unit_vectors(1, seed=1)[0])

    def test_nearest_gives_exact_cosines_best_first(self, settings, writer):
        self.put(writer, entity_rows(range(200)))
        query = unit_vectors(1, seed=77)[0]
        found = self.search(settings, limit=5)
        assert numbers(found) == nearest_of(query, range(200))[:5]
        assert found[0].score == pytest.approx(float(unit_vectors(1, seed=numbers(found)[0])[0] @ query), abs=1e-5)
        assert (
            numbers(self.search(settings, limit=3, exclude=[photo_id(number) for number in numbers(found)]))
            == (nearest_of(query, range(200))[5:8])
        )

    def test_of_several_vectors_the_best_counts(self, settings, writer):
        self.put(writer, entity_rows(range(50)))
        asked = np.concatenate([unit_vectors(1, seed=seed) for seed in (3, 4, 5)])
        found = open_reader(settings, MODEL).nearest(asked, 3)
        assert set(numbers(found)) == {3, 4, 5}
        assert [row.score for row in found] == pytest.approx([1, 1, 1], abs=1e-5)

    @pytest.mark.parametrize(
        ("where", "passing"),
        [
            (["reported_severity = total loss"], {1, 2}),
            (["amount_total > 5000"], {0, 1, 3}),
            # Photo 1 has a claim of 9,000 and another with a total loss, but none that is both.
            (["reported_severity = total loss", "amount_total > 5000"], set()),
            (["reported_severity = total loss", "amount_total <= 100"], {1, 2}),
            (["reported_severity != total loss"], {0, 1}),
            (["reported_severity in ('total loss', 'minor damage')"], {0, 1, 2}),
            (["claim_id = o'brien"], {3}),
            (["claim_id = C-1", "reported_severity = total loss"], set()),
            (["amount_total = 100"], {1, 2}),
            (["amount_total != 100"], {0, 1, 3}),
            (["incident_date >= 2024-05-31"], {3}),
            (["damages contains glass_shatter"], {3}),
            (["damages contains glass"], set()),
            (["damages != crack"], {3}),
            (["review = yes"], {3}),
            (["review = no"], set()),
            (["narrative contains it's rain"], {3}),
            (["severity = severe", "amount_total > 0"], {0, 2}),
            (["damage contains dent", "claim_id != C-2"], {0, 1, 3}),
            (["damage != dent"], set()),
        ],
    )
    def test_one_claim_passes_all_filters_on_claims(self, settings, writer, where, passing):
        self.put(writer, entity_rows(range(6), claims=CLAIMS))
        assert set(numbers(self.search(settings, *where))) == passing

    def test_hits_that_no_single_claim_allows_make_room_for_others(self, settings, writer):
        query = unit_vectors(1, seed=77)[0]
        ranked = nearest_of(query, range(100))
        both = [CLAIMS[0][0] | {"amount_total": 100.0}, CLAIMS[2][0] | {"amount_total": 9000.0}]
        claims = dict.fromkeys(ranked[:90], CLAIMS[1]) | dict.fromkeys(ranked[90:], both)
        self.put(writer, entity_rows(range(100), claims=claims))
        found = self.search(settings, "reported_severity = total loss", "amount_total > 5000", limit=3)
        assert numbers(found) == ranked[90:93]
        assert found[0].claims[1]["amount_total"] == 9000.0

    def test_words_find_passages(self, settings, writer):
        self.put(writer, entity_rows([1], entity="passage", text="Hail broke the windscreen", claims={1: CLAIMS[0]}))
        self.put(writer, entity_rows([2], entity="passage", text="A deer ran into the door", claims={2: CLAIMS[2]}))
        reader = open_reader(settings, MODEL)
        assert numbers(reader.lexical("windscreen hail", 5)) == [1]
        assert reader.lexical("windscreen", 5)[0].score > 0
        assert reader.lexical("windscreen", 5, [parse_filter("claim_id = C-2")]) == []
        assert reader.lexical("windscreen", 5, entity="photo") == []

    def test_rows_of_a_claim_and_claims_by_their_beginning(self, settings, writer):
        self.put(writer, entity_rows(range(5), claims=CLAIMS))
        reader = open_reader(settings, MODEL)
        assert numbers(reader.of_claim("C-1", "photo")) == [0, 1]
        assert reader.of_claim("O'Brien", "photo", with_vectors=True)[0].vector.shape == (DIMENSION,)
        assert reader.of_claim("C-1", "passage") == []
        assert reader.claims_like("c-", 10) == ["C-1", "C-2"]
        assert reader.claims_like("C-", 1) == ["C-1"]
        assert reader.claims_like("O'", 10) == ["O'Brien"]
        assert reader.claims_like("-1", 10) == []
