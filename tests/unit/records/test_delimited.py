"""CSV: form found or told, columns by name, and every row either a record or a fault that names its line."""

import bz2
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.records.reader import read, table
from udfs.records.columns import Wanted

HEADLESS = Wanted({"claim_id": "_c0", "narrative": "_c1"}, ("claim_id",), ("claim_id",), "claim_id")
ROW = ("C-1", "0071", "12.5", "a dent")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiter_and_encoding_are_found(delimiter, encoding):
    outcome = read(table([("C-1", "P", "1", "Tür, Stoß; a|b")], delimiter=delimiter).encode(encoding))
    assert outcome.claims == [{"claim_id": "C-1", "policy_id": "P", "amount_total": "1", "narrative": "Tür, Stoß; a|b"}]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_packed_files_are_read(pack):
    assert read(pack(table([ROW]).encode())).column("claim_id") == ["C-1"]


def test_a_title_and_a_separator_line_before_the_header_are_no_records():
    assert read("sep=;\r\nclaim_no;narrative\r\nC-1;a,b,c\r\n").column("narrative") == ["a,b,c"]
    outcome = read("Claims of May\n\n" + table([ROW]))
    assert (outcome.column("claim_id"), outcome.good[0].line) == (["C-1"], 4)


def test_a_told_form_is_used():
    outcome = read("'C-1'~'it''s'\n", delimiter="~", quote="'", header=False, wanted=HEADLESS)
    assert [row.values for row in outcome.good] == [("C-1", "it's")]
    told = read('claim_no,narrative\nC-1,"a \\"big\\" dent"\n', escape="\\")
    assert told.column("narrative") == ['a "big" dent']
    assert read(table([("C-1", "", "", "Tür")]).encode("cp1252"), encoding="cp1252").column("narrative") == ["Tür"]


def test_names_are_matched_whatever_their_case_blanks_and_order():
    outcome = read("NARRATIVE, Claim_No ,policy_no,amount\nstory,C-1,P,2\n")
    assert outcome.claims == [{"claim_id": "C-1", "policy_id": "P", "amount_total": "2", "narrative": "story"}]


def test_a_quote_that_is_never_closed_costs_its_record_alone():
    outcome = read('claim_no,narrative\nC-1,fine\nC-2,"scratch on the door\nC-3,third\nC-4,"a\nb"\n')
    assert outcome.column("claim_id") == ["C-1", "C-3", "C-4"]
    assert outcome.column("narrative")[-1] == "a\nb"
    (failed,) = outcome.failed
    assert (failed.code, failed.number, failed.line) == ("open_quote", 2, 3)


def test_a_quote_that_closes_in_a_later_record_swallows_none():
    outcome = read('claim_no,narrative\nC-1,"open\nC-2,fine\nC-3,"quoted, well"\nC-4,fine\n')
    assert outcome.column("claim_id") == ["C-2", "C-3", "C-4"]
    assert outcome.codes() == ["open_quote"]
    last = read('claim_no,narrative\nC-1,"open')
    assert (last.codes(), "line 2" in last.failed[0].detail) == (["open_quote"], True)


@pytest.mark.parametrize(("row", "number"), [("C-1,P,1,a dent, deep", 5), ("C-1,P", 2)])
def test_rows_of_other_length_than_the_header_fail_with_their_line(row, number):
    outcome = read(f"claim_no,policy_no,amount,narrative\nC-0,P,1,fine\n{row}\nC-2,P,1,fine\n")
    assert outcome.column("claim_id") == ["C-0", "C-2"]
    (failed,) = outcome.failed
    assert (failed.code, failed.number, failed.line) == ("field_count", 2, 3)
    assert f"{number} fields where the header has 4" in failed.detail


def test_empty_fields_beyond_the_header_and_blank_lines_say_nothing():
    outcome = read("claim_no,narrative\nC-1,a,,\n\n   \nC-2,b\n")
    assert (outcome.column("claim_id"), outcome.failed) == (["C-1", "C-2"], [])


def test_a_wanted_column_that_stands_twice_is_named_and_another_is_not_lost():
    (fault,) = read("claim_no,narrative,claim_no\nC-1,a,X\n").faults
    assert (fault.code, fault.detail) == ("column_twice", "the column claim_no stands twice in the header")
    assert read("CLAIM_NO,narrative,claim_No\nC-1,a,X\n").codes() == ["column_twice"]
    outcome = read("claim_no,note,note\nC-1,a,b\n")
    assert outcome.good[0].raw == '{"claim_no":"C-1","note":"a","note (2)":"b"}'


def test_a_file_without_the_key_names_its_nearest_columns():
    (fault,) = read("claim_number,narrative\nC-1,a\n").faults
    assert (fault.code, fault.detail) == ("no_column", "it has no column claim_no; nearest are claim_number")


def test_absent_columns_are_told_from_empty_ones():
    outcome = read("claim_no,narrative\nC-1,\n")
    assert (outcome.good[0].absent, outcome.file.absent) == ("policy_id amount_total", "policy_id amount_total")
    assert outcome.column("narrative") == [None]


def test_bytes_that_are_no_text_are_flagged_and_as_a_key_they_fail():
    outcome = read(
        table([("C-1", "P", "1", "Stoßstange"), ("C-2", "P", "1", "plain"), ("Ü", "P", "1", "")]).encode("cp1252")
    )
    assert [row.flags for row in outcome.good] == ["narrative:encoding", ""]
    assert outcome.column("narrative") == ["Sto\ufffdstange", "plain"]
    assert "options.encoding" in outcome.good[0].detail
    assert (outcome.codes(), outcome.failed[0].line) == (["encoding"], 4)


def test_nul_bytes_are_taken_out_and_flagged_and_utf_16_without_its_mark_is_named():
    outcome = read("claim_no,narrative\nC-1,a\0b\n")
    assert (outcome.column("narrative"), outcome.good[0].flags) == (["ab"], "narrative:nul_bytes")
    unmarked = read(table([ROW]).encode("utf-16-le"))
    assert (unmarked.codes(), "UTF-16LE" in unmarked.faults[0].detail) == (["encoding"], True)
    assert read(table([ROW]).encode("utf-16-le"), encoding="utf-16-le").column("claim_id") == ["C-1"]


def test_a_packed_file_that_is_cut_short_keeps_what_came_before():
    rows = [(f"C-{number}", "P", "1", f"story {number * 7919 % 1000003}") for number in range(5000)]
    outcome = read(gzip.compress(table(rows).encode())[:-500])
    assert 1000 < len(outcome.good) < 5000
    assert outcome.codes()[-1] == "truncated"
    assert outcome.faults[-1].line in {len(outcome.good) + 1, len(outcome.good) + 2}


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", "empty", "empty"),
        (b"PK\x03\x04rest", "wrong_format", "save it as CSV"),
        (b"\xd0\xcf\x11\xe0rest", "wrong_format", "save it as CSV"),
        (b"PAR1rest", "wrong_format", "parquet"),
    ],
)
def test_what_is_no_text_is_named_with_the_way_out(content, code, says):
    outcome = read(content)
    assert (outcome.codes(), outcome.good) == ([code], [])
    assert says in outcome.faults[0].detail


NAMES = ("claim_no", "policy_no", "amount", "narrative", "note")
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters='\n",;'), max_size=12)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6), st.permutations(NAMES), st.sampled_from(",;\t|"))
def test_columns_may_stand_in_any_order(texts, names, delimiter):
    records = [dict(zip(NAMES, (f"C-{n}", "P", "1", *pair), strict=True)) for n, pair in enumerate(texts)]
    outcome = read(table([[record[name] for name in names] for record in records], names, delimiter))
    plain = read(table([[record[name] for name in NAMES] for record in records], NAMES))
    assert outcome.codes() == []
    assert outcome.claims == plain.claims
    assert outcome.column("narrative") == [record["narrative"] or None for record in records]
    assert [row.raw for row in outcome.good] == [row.raw for row in plain.good]


@given(st.text(st.sampled_from('C1,"\n\r;ä '), max_size=60))
def test_no_line_vanishes(body):
    """Whatever stands below the header: each line of it is part of a record, or of a fault that is told."""
    outcome = read("claim_no,narrative\n" + body)
    told = "".join((row.raw or "") for row in (*outcome.good, *outcome.failed))
    faulty = {row.code for row in outcome.failed}
    assert faulty <= {"open_quote", "field_count", "no_claim_id", "no_key"}
    if not faulty:
        assert sum(map(told.count, "1")) >= body.count("1")
