"""Delimited text (CSV): header, delimiter, quotes; every row a record or a named fault."""

import csv
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, TextIO

from udfs.records.entry import Entry
from udfs.records.form import Form
from udfs.records.names import composed, folded
from udfs.records.problem import Code, RecordFileError

_DELIMITERS = (",", ";", "\t", "|")
_HEAD_LINES = 20
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_LONGEST_FIELD = 16 * 1024 * 1024


def delimited_entries(
    text: TextIO, form: Form, wanted: Collection[str], header: Callable[[Sequence[str]], None]
) -> Iterator[Entry]:
    """The rows below the header; a row of other length than it, or with a quote that does not close, is a fault.

    The header is the first of the file's lines that names a `wanted` column, and the delimiter is the sign that parts
    them there; `header` is told its names. After a faulty quote reading goes on with the next line, so that no other
    record is lost.

    Raises:
        RecordFileError: a wanted column stands twice in the header.
    """
    head = list(islice(text, _HEAD_LINES))
    number_of_header, delimiter = _layout(head, form, wanted)
    rows = _Rows(chain(head, text), _dialect(form, delimiter), skipped=number_of_header)
    names: Sequence[str] | None = None
    number = 0
    for line, row, fault in rows:
        if not fault and (not row or (len(row) == 1 and not row[0].strip())):
            continue
        if names is None:
            if fault:
                raise RecordFileError(Code.OPEN_QUOTE, f"in the header, {fault}", line)
            names = _header(row, wanted, line) if form.header else [f"_c{place}" for place in range(len(row))]
            header(names)
            if form.header:
                continue
        number += 1
        if fault:
            yield Entry(number, line, None, Code.OPEN_QUOTE, fault)
            continue
        width = len(names)
        if len(row) != width and (len(row) < width or any(map(str.strip, row[width:]))):
            detail = f"{len(row)} fields where the header has {width} (parted by {_shown(delimiter)})"
            yield Entry(number, line, None, Code.FIELD_COUNT, detail)
            continue
        yield Entry(number, line, dict(zip(names, row, strict=False)))


class _Rows:
    """The rows of a text with the line on which each begins, or what is wrong with the quotes of one."""

    def __init__(self, lines: Iterable[str], dialect: dict[str, Any], *, skipped: int) -> None:
        self._lines, self._dialect, self._skipped = iter(lines), dialect, skipped
        self._taken: list[str] = []
        self._again: deque[str] = deque()

    def _next_lines(self) -> Iterator[str]:
        while True:
            line = self._again.popleft() if self._again else next(self._lines, None)
            if line is None:
                return
            self._taken.append(line)
            yield line

    def __iter__(self) -> Iterator[tuple[int, list[str], str | None]]:
        before = 0
        for _ in range(self._skipped):
            next(self._lines, None)
            before += 1
        csv.field_size_limit(_LONGEST_FIELD)
        reader = csv.reader(self._next_lines(), strict=True, **self._dialect)
        taken = self._taken
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield before + 1, [], _quote_fault(error, before + 1)
                self._again.extendleft(reversed(taken[1:]))
                before += 1
                taken.clear()
                reader = csv.reader(self._next_lines(), strict=True, **self._dialect)
                continue
            yield before + 1, row, None
            before += len(taken)
            taken.clear()


def _quote_fault(error: csv.Error, line: int) -> str:
    if "unexpected end" in str(error):
        return f"a quote that is opened in line {line} is never closed"
    if "field limit" in str(error):
        return f"a quote that is opened in line {line} is not closed within {_LONGEST_FIELD} characters"
    return f"the record that begins in line {line} has a quote within a field, or one that does not close it"


def _dialect(form: Form, delimiter: str) -> dict[str, Any]:
    dialect: dict[str, Any] = {"delimiter": delimiter}
    if form.quote is None:
        return dialect | {"quoting": csv.QUOTE_NONE}
    if form.escape is not None:
        dialect |= {"escapechar": form.escape, "doublequote": False}
    return dialect | {"quotechar": form.quote}


def _layout(head: Sequence[str], form: Form, wanted: Collection[str]) -> tuple[int, str]:
    """How many lines stand before the header, and what parts the fields."""
    told = _SEPARATOR_LINE.fullmatch(head[0]) if head else None
    first = 1 if told else 0
    delimiters = [form.delimiter or (told and told[1])] if form.delimiter or told else list(_DELIMITERS)
    names = {folded(name) for name in wanted}
    best = (0, 0, delimiters[0])
    for delimiter in delimiters if form.header else ():
        for place, line in enumerate(head[first:], first):
            row = next(csv.reader([line], **_dialect(form, str(delimiter))), [])
            found = len(names & set(map(folded, row)))
            if found > best[0]:
                best = (found, place, str(delimiter))
    if best[0]:
        return best[1], str(best[2])
    line = next((line for line in head[first:] if line.strip()), "")
    return first, str(max(delimiters, key=lambda sign: line.count(str(sign))))


def _header(row: Sequence[str], wanted: Collection[str], line: int) -> list[str]:
    names = [composed(name) for name in row]
    for name in wanted:
        if names.count(name) > 1 or (name not in names and list(map(folded, names)).count(folded(name)) > 1):
            raise RecordFileError(Code.COLUMN_TWICE, f"the column {name} stands twice in the header", line)
    seen: dict[str, int] = {}
    unique = []
    for place, name in enumerate(names):
        shown = name or f"_c{place}"
        seen[shown] = seen.get(shown, 0) + 1
        unique.append(shown if seen[shown] == 1 else f"{shown} ({seen[shown]})")
    return unique


def _shown(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else delimiter
