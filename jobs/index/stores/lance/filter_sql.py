"""Filters in the SQL of Lance. A photo's filters are exact; a claim's let through at least what passes."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from jobs.index.filters import Filter, Value

_SEPARATOR = "\x1f"
"""Stands around each text of a list when they are joined: the unit separator, which no text holds."""


def sql_of(filters: Sequence[Filter]) -> str | None:
    """The condition that a Lance scan is given, or None without filters.

    An index row has one value per claim in each claim column, so that the condition asks for some claim of each filter;
    whether one claim passes them all is asked of the hits (jobs.index.filters.matches).
    """
    return every([_on_claims(entry) if entry.on_claims else on_value(entry, entry.stored) for entry in filters]) or None


def every(conditions: Iterable[str]) -> str:
    """Conditions that must all hold."""
    return " AND ".join(f"({condition})" for condition in conditions)


def among(column: str, values: Sequence[str]) -> str:
    """Whether a text column is one of the values."""
    return f"{column} IN ({', '.join(literal(value) for value in values)})" if values else "false"


def literal(value: Value) -> str:
    """A SQL literal."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def on_value(entry: Filter, name: str) -> str:
    """The condition on a column that holds one value (or one list) a row."""
    if entry.type == "ARRAY<STRING>":
        found = " OR ".join(f"strpos({joined(name)}, {_wrapped(value)}) > 0" for value in entry.values)
        return f"{name} IS NOT NULL AND NOT ({found})" if entry.operator == "!=" else found
    name = f"lower({name})" if entry.type == "STRING" else name
    values = [literal(value) for value in entry.values]
    if entry.operator == "contains":
        return f"strpos({name}, {values[0]}) > 0"
    if entry.operator == "in":
        return f"{name} IN ({', '.join(values)})"
    return f"{name} {'<>' if entry.operator == '!=' else entry.operator} {values[0]}"


def _on_claims(entry: Filter) -> str:
    name, how = entry.stored, entry.operator
    if entry.type in {"STRING", "ARRAY<STRING>"}:
        return _on_texts(entry)
    if entry.type == "BOOLEAN":
        wanted = [not value for value in entry.values] if how == "!=" else entry.values
        return " OR ".join(f"array_has({name}, {literal(value)})" for value in wanted)
    low, high = f"array_min({name})", f"array_max({name})"
    values = [literal(value) for value in entry.values]
    if how in {"=", "in"}:
        return " OR ".join(f"({low} <= {value} AND {high} >= {value})" for value in values)
    if how == "!=":
        return f"{low} <> {values[0]} OR {high} <> {values[0]}"
    return f"{low if how.startswith('<') else high} {how} {values[0]}"


def _on_texts(entry: Filter) -> str:
    name, all_texts = entry.stored, joined(entry.stored)
    is_list = entry.type == "ARRAY<STRING>"
    if entry.operator in {"=", "in"} or (is_list and entry.operator == "contains"):
        return " OR ".join(f"strpos({all_texts}, {_wrapped(value)}) > 0" for value in entry.values)
    if entry.operator == "contains":
        return f"strpos({all_texts}, {literal(entry.values[0])}) > 0"
    some = f"array_length({name}) > 0"
    if entry.operator == "!=" and not is_list:
        return f"{some} AND replace({all_texts}, {_wrapped(entry.values[0])}, '') <> ''"
    return some


def joined(column: str) -> str:
    """A list of texts (or of such lists) as one text in lower case, each between separators; nulls are left out."""
    mark = literal(_SEPARATOR)
    return f"concat({mark}, lower(array_to_string({column}, {literal(_SEPARATOR * 2)})), {mark})"


def _wrapped(value: Value) -> str:
    return literal(f"{_SEPARATOR}{value}{_SEPARATOR}")
