"""Filters: what they accept, what they mean, and what they tell a user who mistyped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.index.filters import parse_filter
from udfs.errors import InputError


@pytest.mark.parametrize(
    ("text", "sql", "on_claims"),
    [
        ("reported_severity = Total Loss", "lower(reported_severity) = 'total loss'", True),
        ("severity=severe", "lower(severity) = 'severe'", False),
        ("severity in minor, moderate", "lower(severity) IN ('minor', 'moderate')", False),
        ("part in ('front bumper', door)", "lower(part) IN ('front bumper', 'door')", False),
        ("damage contains dent", "(array_has(labels, 'dent'))", False),
        ("damage != Dent", "NOT (array_has(labels, 'dent'))", False),
        ("damages in dent,crack", "(array_has(damages, 'dent') OR array_has(damages, 'crack'))", True),
        ("amount_total >= 1500.5", "amount_total >= 1500.5", True),
        ("incident_date < 2024-05-31", "incident_date < date '2024-05-31'", True),
        ("claimed_at >= 2024-05-31", "claimed_at >= timestamp '2024-05-31 00:00:00'", True),
        ("review = yes", "review = true", True),
        ("narrative contains it's raining", "strpos(lower(narrative), 'it''s raining') > 0", True),
        ("confidence > 0.5", "confidence > 0.5", False),
    ],
)
def test_a_filter_means_what_it_says(text, sql, on_claims):
    parsed = parse_filter(text)
    assert (parsed.sql, parsed.on_claims) == (sql, on_claims)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reported_severty = minor", "nearest is reported_severity"),
        ("severity", "write column operator value"),
        ("amount_total > much", "amount_total needs a number, not 'much'"),
        ("amount_total > nan", "needs a number"),
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
        sql = parse_filter(f"part = {value}").sql
    except InputError:
        return
    literal = sql.removeprefix("lower(part) = ")
    assert literal[0] == literal[-1] == "'"
    assert "'" not in literal[1:-1].replace("''", "")
