"""JSON: a list, a single object, or one record a line, told apart by themselves; read record by record."""

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from udfs.records.entry import Entry
from udfs.records.problem import Code, RecordFileError

_CHUNK = 1 << 20
_LONGEST_RECORD = 64 << 20
_BETWEEN = re.compile(r"[\s,\x1e\ufeff]*")
_BEGUN = re.compile(r"\s*(?:t|tr|tru|f|fa|fal|fals|n|nu|nul|-|N|Na|-?I[a-z]*|\\u?[0-9a-fA-F]{0,4})?\s*")
"""What may be the beginning of a word or of an escaped sign."""
_NEAR = 16
"""Signs: an error that is nearer to the end of what was read may be for want of the rest."""


class WrittenNumber(float):
    """A fraction in JSON that remembers how it was written: its digits may be a key."""

    text: str

    def __new__(cls, text: str) -> "WrittenNumber":
        """From the digits as they stand in the file."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class _KeyTwiceError(ValueError):
    pass


def json_entries(text: TextIO) -> Iterator[Entry]:
    """The records of a JSON text, and a fault for each entry that is no object, has a key twice, or is no JSON.

    After one that is no JSON, reading goes on at the next line that begins as that record's line did.

    Raises:
        RecordFileError: the text ends in the middle of a list, or nothing more of it can be told apart.
    """
    source, number, inside = _Source(text), 0, False
    while source.skip():
        sign = source.sign()
        if sign == "]" or (sign == "[" and not inside):
            inside = sign == "["
            source.position += 1
            continue
        number += 1
        entry, end = source.entry(number)
        yield entry
        if entry.code is Code.TRUNCATED:
            return
        if end is None:
            source.resume(entry)
        else:
            source.position = end
    if inside:
        raise RecordFileError(Code.TRUNCATED, "the file ends before its list does", source.line())


class _Source:
    """A text, of which only what is not yet read as records is held."""

    def __init__(self, text: TextIO) -> None:
        self._text, self._ended = text, False
        self.buffer, self.position = "", 0
        self._counted, self._lines = 0, 0

    def skip(self) -> bool:
        """Go to the next sign that is no blank and no comma; False at the end."""
        while True:
            found = _BETWEEN.match(self.buffer, self.position)
            self.position = found.end() if found else self.position
            if self.position < len(self.buffer):
                return True
            if not self._more():
                return False

    def sign(self) -> str:
        return self.buffer[self.position]

    def line(self) -> int:
        """The line of the position, from 1."""
        self._lines += self.buffer.count("\n", self._counted, self.position)
        self._counted = self.position
        return self._lines + 1

    def entry(self, number: int) -> tuple[Entry, int | None]:
        """The record at the position, and where it ends; None where that cannot be told."""
        while True:
            line = self.line()
            try:
                value, end = _DECODER.raw_decode(self.buffer, self.position)
            except _KeyTwiceError as error:
                closing = self._end()
                if closing is None and self._more():
                    continue
                return Entry(number, line, None, Code.KEY_TWICE, str(error)), closing
            except json.JSONDecodeError as error:
                open_string = error.msg.startswith("Unterminated string")
                unfinished = open_string or error.pos >= len(self.buffer) - _NEAR
                if unfinished and len(self.buffer) - self.position < _LONGEST_RECORD and self._more():
                    continue
                cut = open_string or _BEGUN.fullmatch(self.buffer, min(error.pos, len(self.buffer))) is not None
                return self._fault(number, line, error.pos, error.msg, cut=cut and self._ended), None
            except (RecursionError, ValueError) as error:
                reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
                return Entry(number, line, None, Code.NOT_JSON, reason), None
            if end == len(self.buffer) and not isinstance(value, dict | list | str) and self._more():
                continue  # a number may go on
            if isinstance(value, dict):
                return Entry(number, line, value), end
            return Entry(number, line, None, Code.NOT_AN_OBJECT, "an entry that is no object"), end

    def resume(self, faulty: Entry) -> None:
        """Go to the next line that begins as the faulty record's line does.

        Raises:
            RecordFileError: there is none.
        """
        start = self.buffer.rfind("\n", 0, self.position) + 1
        indent = self.buffer[start : self.position]
        if indent.strip(" \t,["):
            raise RecordFileError(faulty.code or Code.NOT_JSON, "nothing after this record could be read", faulty.line)
        alike = r"[ \t]?,?[ \t]?" if indent.strip() else re.escape(indent)
        again = re.compile(rf"\n{alike}(?=[{{\]])")
        while True:
            found = again.search(self.buffer, self.position)
            if found:
                self.position = found.end()
                return
            last = self.buffer.rfind("\n", self.position)
            self.position = max(self.position, last)
            if not self._more():
                self.position = len(self.buffer)
                return

    def _end(self) -> int | None:
        try:
            return _PLAIN.raw_decode(self.buffer, self.position)[1]
        except (ValueError, RecursionError):
            return None

    def _fault(self, number: int, line: int, place: int, reason: str, *, cut: bool) -> Entry:
        column = place - self.buffer.rfind("\n", 0, place)
        there = line + self.buffer.count("\n", self.position, place)
        what = "the file ends in the middle of it" if cut else f"it is no JSON: {reason}"
        code = Code.TRUNCATED if cut else Code.NOT_JSON
        return Entry(number, line, None, code, f"{what} (line {there}, column {column})")

    def _more(self) -> bool:
        """Read on; False at the end of the text."""
        chunk = "" if self._ended else self._text.read(_CHUNK)
        if not chunk:
            self._ended = True
            return False
        self.line()
        start = self.buffer.rfind("\n", 0, self.position) + 1  # the line's beginning tells how it is indented
        start = start if self.position - start < _CHUNK else self.position
        self.buffer = self.buffer[start:] + chunk
        self.position, self._counted = self.position - start, self._counted - start
        return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _KeyTwiceError(f"the key {twice} stands twice in it")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=WrittenNumber, parse_constant=str)
_PLAIN = json.JSONDecoder()
