"""The filters of a search: `column operator value`, checked against the known columns before anything is read."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from jobs.lakehouse.contracts import CLAIM_ASSESSMENTS, CLAIMS
from udfs.errors import InputError

OPERATORS = ("!=", "<=", ">=", "=", "<", ">", "contains", "in")
_GRAMMAR = re.compile(
    r"^\s*(?P<column>\w+)\s*(?P<operator>!=|<=|>=|==?|<|>|\bcontains\b|\bin\b)\s*(?P<value>.+?)\s*$", re.I | re.S
)
_LIST = re.compile(r"'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<bare>[^,]+)")

DAMAGE_COLUMNS: Mapping[str, str] = {
    "damage": "ARRAY<STRING>",
    "severity": "STRING",
    "part": "STRING",
    "decision": "STRING",
    "confidence": "DOUBLE",
    "captured_at": "TIMESTAMP_NTZ",
}
"""Columns of a photo: what the classifier saw, and when the photo was taken. `damage` is stored as `labels`."""

_HIDDEN = {"raw", "record_hash", "ingested_at", "run_id", "model_key", "head_key", "assessed_at"}
CLAIM_FILTER_COLUMNS: Mapping[str, str] = {
    column.name: column.type
    for contract in (CLAIM_ASSESSMENTS, CLAIMS)
    for column in contract.columns
    if column.name not in _HIDDEN
}
"""Columns of a claim and of its assessment."""


@dataclass(frozen=True)
class Filter:
    """One condition. `on_claims` tells a claim's column from a photo's."""

    column: str
    type: str
    operator: str
    values: tuple[str, ...]
    on_claims: bool

    @property
    def sql(self) -> str:
        """The condition in the SQL of the index. Text compares without regard to case; a null never passes."""
        if self.type == "ARRAY<STRING>":
            return self._on_list()
        name = f"lower({self.column})" if self.type == "STRING" else self.column
        literals = [_literal(self.type, value, self) for value in self.values]
        if self.operator == "contains":
            return f"strpos({name}, {literals[0]}) > 0"
        if self.operator == "in":
            return f"{name} IN ({', '.join(literals)})"
        return f"{name} {'<>' if self.operator == '!=' else self.operator} {literals[0]}"

    def _on_list(self) -> str:
        name = "labels" if self.column == "damage" else self.column
        held = " OR ".join(f"array_has({name}, {_quoted(value.lower())})" for value in self.values)
        return f"NOT ({held})" if self.operator == "!=" else f"({held})"


def parse_filter(text: str) -> Filter:
    """Read `column operator value`, for example `reported_severity = Total Loss` or `damage contains dent`.

    Operators: = != < <= > >= contains, and `in` with values separated by commas. Values may stand in quotes.

    Raises:
        InputError: not of this form, an unknown column (names the nearest one), or a value that does not fit it.
    """
    match = _GRAMMAR.match(text)
    if match is None:
        raise InputError(
            f"--where {text!r}: write column operator value, with one of {' '.join(OPERATORS)}; "
            "for example --where 'reported_severity = Total Loss'."
        )
    column = match["column"].lower()
    operator = "=" if match["operator"] == "==" else match["operator"].lower()
    on_claims = column not in DAMAGE_COLUMNS
    kind = CLAIM_FILTER_COLUMNS.get(column) if on_claims else DAMAGE_COLUMNS[column]
    if kind is None:
        raise InputError(f"--where {text!r}: {column} is not a column of claims or photos; {_nearest(column)}.")
    values = _values(match["value"]) if operator == "in" else (_unquoted(match["value"]),)
    if not values or not all(values):
        raise InputError(f"--where {text!r}: the value is missing.")
    if kind == "ARRAY<STRING>" and operator in {"<", "<=", ">", ">="}:
        raise InputError(f"--where {text!r}: {column} is a list; use contains, =, != or in.")
    if kind not in {"ARRAY<STRING>", "STRING"} and operator == "contains":
        raise InputError(f"--where {text!r}: contains is for text and lists, {column} is neither.")
    parsed = Filter(column, kind, operator, values, on_claims)
    _ = parsed.sql  # a value that does not fit its column is refused here, not in the middle of a search
    return parsed


def _values(text: str) -> tuple[str, ...]:
    inner = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    found = (next(group for group in match.groups() if group is not None).strip() for match in _LIST.finditer(inner))
    return tuple(value for value in found if value)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _nearest(column: str) -> str:
    known = sorted({*DAMAGE_COLUMNS, *CLAIM_FILTER_COLUMNS})
    near = difflib.get_close_matches(column, known, n=1, cutoff=0.5)
    return f"the nearest is {near[0]}" if near else f"known are {', '.join(known)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _literal(kind: str, value: str, used: Filter) -> str:
    try:
        if kind in {"INT", "DOUBLE"}:
            number = float(value)
            if number - number != 0:
                raise ValueError(value)
            return str(int(number)) if number == int(number) else repr(number)
        if kind in {"DATE", "TIMESTAMP_NTZ"}:
            moment = datetime.fromisoformat(value).replace(tzinfo=None)
            return f"date '{moment:%Y-%m-%d}'" if kind == "DATE" else f"timestamp '{moment:%Y-%m-%d %H:%M:%S}'"
        if kind == "BOOLEAN":
            return {"true": "true", "yes": "true", "false": "false", "no": "false"}[value.lower()]
    except (ValueError, KeyError):
        day = "a date like 2024-05-31"
        wanted = {"BOOLEAN": "true or false", "DATE": day, "TIMESTAMP_NTZ": day}
        raise InputError(f"--where: {used.column} needs {wanted.get(kind, 'a number')}, not {value!r}.") from None
    return _quoted(value.lower())
