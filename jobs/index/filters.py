"""The filters of a search: `column operator value`, checked against the known columns before anything is read."""

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from jobs.lakehouse.contracts import CLAIM_ASSESSMENTS, CLAIMS
from udfs.errors import InputError

LARGEST_INT = 2**31 - 1
OPERATORS = ("!=", "<=", ">=", "=", "<", ">", "contains", "in")
_GRAMMAR = re.compile(
    r"^\s*(?P<column>\w+)\s*(?P<operator>!=|<=|>=|==?|<|>|\bcontains\b|\bin\b)\s*(?P<value>.+?)\s*$", re.I | re.S
)
_NO_TEXT = re.compile("[\ud800-\udfff]")
_LIST = re.compile(r"\s*(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<bare>[^,]+))")

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
_HIDDEN |= {"updated_at", "given_at"}
CLAIM_FILTER_COLUMNS: Mapping[str, str] = {
    column.name: column.type
    for contract in (CLAIM_ASSESSMENTS, CLAIMS)
    for column in contract.columns
    if column.name not in _HIDDEN
}
"""Columns of a claim and of its assessment."""


Value = str | int | float | bool | date | datetime
STORED = {"damage": "labels", "claim_id": "claim_ids"}
"""Columns that an index row keeps under another name."""
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Filter:
    """One condition, as structure; each store compiles it for itself.

    `type` is the column's Spark type, and `values` have its Python type (text in lower case: it compares without regard
    to case). `on_claims` tells a claim's column, of which an index row has one value per claim, from a photo's.
    """

    column: str
    type: str
    operator: str
    values: tuple[Value, ...]
    on_claims: bool

    @property
    def stored(self) -> str:
        """The column of an index row that holds what is compared."""
        return STORED.get(self.column, self.column)

    def passes(self, value: "Value | Iterable[str | None] | None") -> bool:
        """Whether one value passes; nothing is known of a null, so it never does."""
        if value is None:
            return False
        if self.type == "ARRAY<STRING>":
            held = not {entry.lower() for entry in _texts(value)}.isdisjoint(map(str, self.values))
            return not held if self.operator == "!=" else held
        compared = value.lower() if isinstance(value, str) else value
        if self.operator == "contains":
            return str(self.values[0]) in str(compared)
        if self.operator == "in":
            return compared in self.values
        return _COMPARE[self.operator](compared, self.values[0])


def _texts(value: object) -> list[str]:
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, Iterable) else []


def matches(filters: Sequence[Filter], columns: Mapping[str, Any]) -> bool:
    """Whether an index row passes: each filter on the photo holds, and one of its claims passes all filters on claims.

    `columns` is the row as the index keeps it: a photo's columns as values, a claim's as lists that run along
    `claim_ids`.
    """
    if not all(entry.passes(columns.get(entry.stored)) for entry in filters if not entry.on_claims):
        return False
    on_claims = [entry for entry in filters if entry.on_claims]
    if not on_claims:
        return True
    held = [columns.get(entry.stored) or [] for entry in on_claims]
    return any(
        all(entry.passes(value) for entry, value in zip(on_claims, claim, strict=True))
        for claim in zip(*held, strict=True)
    )


def is_no_text(text: str) -> bool:
    """Whether it holds halves of surrogate pairs: what Python makes of bytes on a command line in another encoding."""
    return _NO_TEXT.search(text) is not None


def parse_filter(text: str) -> Filter:
    """Read `column operator value`, for example `reported_severity = Total Loss` or `damage contains dent`.

    Operators: = != < <= > >= contains, and `in` with values separated by commas. Values may stand in quotes.

    Raises:
        InputError: not of this form, an unknown column (names the nearest one), or a value that does not fit it.
    """
    if is_no_text(text):
        raise InputError(f"--where {text!r}: holds bytes that are no text; write it in UTF-8.")
    match = _GRAMMAR.match(text)
    if match is None:
        raise InputError(
            f"--where {text!r}: write column operator value, with one of {' '.join(OPERATORS)}; "
            "for example --where 'reported_severity = Total Loss'."
        )
    column = match["column"].lower()
    how = "=" if match["operator"] == "==" else match["operator"].lower()
    on_claims = column not in DAMAGE_COLUMNS
    kind = CLAIM_FILTER_COLUMNS.get(column) if on_claims else DAMAGE_COLUMNS[column]
    if kind is None:
        raise InputError(f"--where {text!r}: {column} is not a column of claims or photos; {_nearest(column)}.")
    values = _values(match["value"]) if how == "in" else (_unquoted(match["value"]),)
    if not values or not all(values):
        raise InputError(f"--where {text!r}: the value is missing.")
    if kind == "ARRAY<STRING>" and how in {"<", "<=", ">", ">="}:
        raise InputError(f"--where {text!r}: {column} is a list; use contains, =, != or in.")
    if kind not in {"ARRAY<STRING>", "STRING"} and how == "contains":
        raise InputError(f"--where {text!r}: contains is for text and lists, {column} is neither.")
    typed = tuple(_typed(kind, value, column) for value in values)
    return Filter(column, kind, how, typed, on_claims)


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


def _typed(kind: str, value: str, column: str) -> Value:
    """The value in the column's type; one that does not fit is refused here, not in the middle of a search."""
    try:
        if kind in {"INT", "DOUBLE"}:
            number = float(value)
            if number - number != 0:
                raise ValueError(value)
            if kind == "INT" and abs(number) > LARGEST_INT:
                raise InputError(f"--where: {column} needs a whole number up to {LARGEST_INT:,}, not {value[:40]!r}.")
            return int(number) if kind == "INT" and number == int(number) else number
        if kind in {"DATE", "TIMESTAMP_NTZ"}:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
            return moment.date() if kind == "DATE" else moment
        if kind == "BOOLEAN":
            return {"true": True, "yes": True, "false": False, "no": False}[value.lower()]
    except (ValueError, KeyError, OverflowError):
        day = "a date like 2024-05-31"
        wanted = {"BOOLEAN": "true or false", "DATE": day, "TIMESTAMP_NTZ": day}
        raise InputError(f"--where: {column} needs {wanted.get(kind, 'a number')}, not {value!r}.") from None
    return value.lower()
