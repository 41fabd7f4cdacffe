"""What a claim is does not depend on how its records were split into files and runs, nor on their order."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from udfs.records.merging import DUPLICATE, MISSING, merged

COLUMNS = ("claim_id", "claimed_at", "severity", "narrative")
START = datetime(2024, 5, 1)


def record(day=None, *, flags=(), **given):
    """A record of a day (None: it does not say), with the columns given."""
    version = None if day is None else START + timedelta(days=day)
    values = {"claim_id": "C-1", "claimed_at": version} | given
    absent = [name for name in COLUMNS if name not in values]
    raw = repr(sorted(values.items()))
    return (
        dict.fromkeys(COLUMNS)
        | values
        | {
            "flags": list(flags),
            "raw": raw,
            "record_hash": raw,
            "given_at": None,
            "version": version,
            "absent": " ".join(absent),
        }
    )


def run(stored, delivered):
    """The row that stands after one more run."""
    claim = merged(stored, delivered, COLUMNS)
    return claim | {"version": claim["claimed_at"]}


def after(*runs):
    stored = None
    for delivered in runs:
        stored = run(stored, delivered)
    return stored


def values(claim):
    return {name: claim[name] for name in (*COLUMNS, "raw", "given_at")}


def test_a_column_that_a_later_record_lacks_stays_and_null_empties_it():
    full = record(severity="Minor", narrative="a long story")
    partial = after([full], [record(severity="Major")])
    assert (partial["severity"], partial["narrative"]) == ("Major", "a long story")
    emptied = after([full], [record(severity="Major", narrative=None)])
    assert emptied["narrative"] is None


def test_a_record_that_does_not_say_when_it_is_of_takes_the_place_of_one_that_does():
    claim = after([record(5, severity="Minor", narrative="x")], [record(severity="Major")])
    assert (claim["severity"], claim["narrative"], claim["older"]) == ("Major", "x", False)


def test_an_older_record_changes_only_what_no_newer_one_has_given():
    newer = after([record(5, severity="Major")])
    older = run(newer, [record(2, severity="Minor", narrative="x")])
    assert (older["severity"], older["narrative"], older["older"]) == ("Major", "x", False)
    again = run(older, [record(2, severity="Minor", narrative="x")])
    assert again["older"]
    assert values(again) == values(older)


def test_of_records_that_differ_one_is_taken_flagged_and_copies_are_one():
    claim = run(None, [record(1, severity="a"), record(2, severity="b"), record(1, severity="a")])
    assert (claim["severity"], claim["flags"]) == ("b", [DUPLICATE])
    assert run(None, [record(1, severity="a")] * 3)["flags"] == []


def test_flags_come_from_the_record_that_gave_the_column():
    full = record(severity="?", narrative="x", flags=["severity:odd", "narrative:encoding"])
    claim = after([full], [record(severity="Major", flags=["severity:new"])])
    assert sorted(claim["flags"]) == ["narrative:encoding", "severity:new"]


def test_a_claim_that_is_named_again_is_missing_no_more():
    stored = run(None, [record(1, severity="a")])
    stored["flags"] = [MISSING]
    assert run(stored, [record(1, severity="a")])["flags"] == []


GIVEN = st.dictionaries(st.sampled_from(["severity", "narrative"]), st.sampled_from(["a", "b", None]))
DELIVERIES = st.lists(GIVEN, min_size=1, max_size=6)


@given(DELIVERIES, st.data())
def test_any_order_and_any_split_into_runs_give_the_same_claim(deliveries, data):
    records = [record(day, **given) for day, given in enumerate(deliveries)]
    in_order = after(*([one] for one in records))
    shuffled = data.draw(st.permutations(records))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(records)))) | {0, len(records)})
    runs = [shuffled[start:end] for start, end in pairwise(cuts)]
    assert values(after(*runs)) == values(in_order)
    newest = {name: [given[name] for given in deliveries if name in given][-1:] for name in ("severity", "narrative")}
    assert {name: [in_order[name]] for name in newest} == {name: found or [None] for name, found in newest.items()}
