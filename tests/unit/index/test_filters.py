"""Filters: what they accept, what they mean, and what they tell a user who mistyped."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.index.filters import matches, parse_filter
from jobs.index.stores.lance.filter_sql import sql_of
from udfs.errors import InputError


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("reported_severity = Total Loss", ("reported_severity", "=", ("total loss",), True)),
        ("severity=severe", ("severity", "=", ("severe",), False)),
        ("severity in minor, moderate", ("severity", "in", ("minor", "moderate"), False)),
        ("part in ('front bumper', \"door\", hood)", ("part", "in", ("front bumper", "door", "hood"), False)),
        ("damage contains Dent", ("labels", "contains", ("dent",), False)),
        ("claim_id == C-1", ("claim_ids", "=", ("c-1",), True)),
        ("amount_total >= 1500.5", ("amount_total", ">=", (1500.5,), True)),
        ("incident_date < 2024-05-31", ("incident_date", "<", (date(2024, 5, 31),), True)),
        ("claimed_at >= 2024-05-31", ("claimed_at", ">=", (datetime(2024, 5, 31),), True)),
        ("review = yes", ("review", "=", (True,), True)),
        ("narrative contains it's raining", ("narrative", "contains", ("it's raining",), True)),
    ],
)
def test_a_filter_means_what_it_says(text, parsed):
    made = parse_filter(text)
    assert (made.stored, made.operator, made.values, made.on_claims) == parsed


def test_a_row_passes_when_one_of_its_claims_passes_all():
    row = {"severity": "minor", "claim_ids": ["C-1", "C-2"], "amount_total": [9000.0, 100.0], "review": [True, None]}

    def passes(*texts):
        return matches([parse_filter(text) for text in texts], row)

    assert passes("amount_total > 5000", "claim_id = C-1", "severity = minor")
    assert not passes("amount_total > 5000", "claim_id = C-2")
    assert not passes("review = no")
    assert not passes("confidence > 0")
    assert passes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reported_severty = minor", "nearest is reported_severity"),
        ("severity", "write column operator value"),
        ("amount_total > much", "amount_total needs a number, not 'much'"),
        ("amount_total > nan", "needs a number"),
        ("photos > 99999999999999999999999", "photos needs a whole number up to 2,147,483,647, not '9999"),
        ("photos in 1, -99999999999", "photos needs a whole number up to"),
        ("incident_date = yesterday", "needs a date like"),
        ("review = perhaps", "needs true or false"),
        ("damage > dent", "damage is a list"),
        ("amount_total contains 5", "contains is for text and lists"),
        ("severity = ''", "value is missing"),
        ("raw contains x", "raw is not a column"),
    ],
)
def test_a_wrong_filter_is_refused_with_the_way_out(text, message):
    with pytest.raises(InputError, match=message):
        parse_filter(text)


@given(st.text(min_size=1, max_size=40))
def test_no_value_can_leave_its_quotes(value):
    try:
        sql = sql_of([parse_filter(f"part = {value}")])
    except InputError:
        return
    literal = sql.removeprefix("(lower(part) = ").removesuffix(")")
    assert literal[0] == literal[-1] == "'"
    assert "'" not in literal[1:-1].replace("''", "")
