"""JSON: list, object and lines told apart by themselves; what is whole is kept, what is not is named with its place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.records.reader import read
from udfs.records.columns import Wanted

RECORDS = [{"claim_no": f"C-{number}", "narrative": f"dent {number}"} for number in range(1, 4)]
FORMS = {
    "list": json.dumps(RECORDS),
    "pretty list": json.dumps(RECORDS, indent=2),
    "lines": "\n".join(map(json.dumps, RECORDS)),
    "lines with an end": "".join(json.dumps(record) + "\r\n" for record in RECORDS),
    "pretty objects": "\n".join(json.dumps(record, indent=2) for record in RECORDS),
    "with a mark": "\ufeff" + json.dumps(RECORDS),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_told_by_itself(form):
    outcome = read(FORMS[form], "json")
    assert outcome.column("claim_id") == ["C-1", "C-2", "C-3"]
    assert outcome.codes() == []


def test_a_single_object_is_one_record_and_an_empty_list_none():
    assert read(json.dumps(RECORDS[0], indent=1), "json").column("claim_id") == ["C-1"]
    assert (read("[]", "json").good, read("[]", "json").codes()) == ([], [])


@given(st.sampled_from(sorted(FORMS)), st.data())
def test_a_cut_keeps_the_whole_records_before_it_and_is_told(form, data):
    text = FORMS[form].lstrip("\ufeff").rstrip()
    cut = data.draw(st.integers(1, len(text) - 1))
    outcome = read(text[:cut], "json")
    closed = [text[:cut].partition(f'dent {number}"')[2] for number in (1, 2, 3)]
    whole = sum("}" in rest for rest in closed)
    assert outcome.column("claim_id") == [f"C-{number}" for number in range(1, whole + 1)]
    complete = form.startswith(("lines", "pretty objects")) and text[:cut].rstrip().endswith("}")
    assert outcome.codes() == ([] if complete else ["truncated"])


def test_the_place_of_a_cut_is_named():
    (failed,) = read('[{"claim_no": "C-1"},\n {"claim_no": "C-2", "narr', "json").failed
    assert (failed.number, failed.line) == (2, 2)
    assert "line 2, column 22" in failed.detail


def test_entries_that_are_no_records_fail_with_their_number():
    entries = ['{"claim_no": "C-1"}', "7", "null", '[{"claim_no": "X"}]', '{"claim_no": 1, "claim_no": 2}']
    outcome = read(f'[{", ".join(entries)}, {{"claim_no": "C-2"}}]', "json")
    assert outcome.column("claim_id") == ["C-1", "C-2"]
    assert [(row.number, row.code) for row in outcome.failed] == [
        (2, "not_an_object"),
        (3, "not_an_object"),
        (4, "not_an_object"),
        (5, "key_twice"),
    ]


@pytest.mark.parametrize("form", ["lines", "pretty list"])
def test_a_record_that_is_no_json_costs_itself_alone(form):
    outcome = read(FORMS[form].replace('"dent 2"', '"dent" 2'), "json")
    assert outcome.column("claim_id") == ["C-1", "C-3"]
    (failed,) = outcome.failed
    assert (failed.number, failed.code) == (2, "not_json")


def test_where_nothing_more_can_be_told_apart_that_is_said():
    outcome = read(FORMS["list"].replace('"dent 2"', '"dent" 2'), "json")
    assert outcome.column("claim_id") == ["C-1"]
    assert "nothing after this record" in outcome.faults[0].detail


def test_a_line_without_its_end_and_one_nested_too_deeply_cost_themselves_alone():
    deep = '{"claim_no": "C-2", "a": ' + "[" * 100_000 + "]" * 100_000 + "}"
    outcome = read("\n".join(['{"claim_no": "C-1"}', deep, '{"claim_no": "C-', '{"claim_no": "C-4"}']), "json")
    assert outcome.column("claim_id") == ["C-1", "C-4"]
    assert [row.number for row in outcome.failed] == [2, 3]


def test_numbers_are_keys_as_they_are_meant_and_amounts_as_they_are_written():
    text = '[{"claim_no": 10000001.0, "amount": 1e400}, {"claim_no": 1.0000001E7}, {"claim_no": 1E3, "amount": NaN}]'
    outcome = read(text, "json")
    assert outcome.column("claim_id") == ["10000001", "10000001", "1000"]
    assert outcome.column("amount_total") == ["1e400", None, "NaN"]
    large = '{"claim_no": 12345678901234567890.0, "amount": 00}'
    assert read(large.replace("00}", "0.10}"), "json").claims[0] | {} == {
        "claim_id": "12345678901234567890",
        "policy_id": None,
        "amount_total": "0.10",
        "narrative": None,
    }


def test_half_a_sign_is_flagged_and_as_a_key_it_fails():
    outcome = read('[{"claim_no": "C-1", "narrative": "a\\ud800"}, {"claim_no": "C\\ud800"}]', "json")
    assert (outcome.column("narrative"), outcome.good[0].flags) == (["a\ufffd"], "narrative:encoding")
    assert outcome.codes() == ["encoding"]


def test_words_for_no_value_are_no_key_and_each_record_fails():
    words = ["NULL", "NULL", "N/A", "nan", None, " ", "\u00a0"]
    outcome = read(json.dumps([{"claim_no": word, "narrative": str(n)} for n, word in enumerate(words)]), "json")
    assert (outcome.good, outcome.codes()) == ([], ["no_key"] * len(words))


def test_nested_columns_are_found_by_dots_and_absent_is_not_null():
    wanted = Wanted({"claim_id": "claim_no", "hour": "incident.Hour", "kind": "incident.type"}, required="claim_id")
    lines = ['{"claim_no": "1", "incident": {"hour": 3}}', '{"claim_no": "2", "incident": null}', '{"claim_no": "3"}']
    outcome = read("\n".join(lines), "json", wanted)
    assert [(row.values, row.absent) for row in outcome.good] == [
        (("1", "3", None), "kind"),
        (("2", None, None), ""),
        (("3", None, None), "hour kind"),
    ]


@given(st.lists(st.sampled_from(["claim_no", "narrative", "amount"]), unique=True), st.integers(0, 3))
def test_the_raw_record_is_the_same_for_any_order_of_its_keys(names, spaces):
    record = dict.fromkeys(names, 1)
    turned = dict(reversed(record.items()))
    one, other = (read(json.dumps([each], indent=spaces), "json") for each in (record, turned))
    assert [row.raw for row in (*one.good, *one.failed)] == [row.raw for row in (*other.good, *other.failed)]


def test_records_of_a_long_file_are_read_from_a_small_part_of_it(monkeypatch):
    monkeypatch.setattr("udfs.records.structured._CHUNK", 7)
    for form, text in FORMS.items():
        outcome = read(text, "json")
        assert (form, outcome.column("claim_id"), outcome.codes()) == (form, ["C-1", "C-2", "C-3"], [])
    lines = read("\n".join(f'{{"claim_no": "C-{n}"}}' for n in range(50)), "json")
    assert [row.line for row in lines.good] == list(range(1, 51))
