"""The one reader of record files: the bytes of a file to rows, each a record, a fault, or what there is to say of the
file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple, TextIO

from udfs.records.columns import Wanted, looked_up, names_in, written
from udfs.records.delimited import delimited_entries
from udfs.records.entry import Entry
from udfs.records.form import Form
from udfs.records.names import nearest
from udfs.records.problem import Code, RecordFileError
from udfs.records.structured import json_entries
from udfs.records.text import BROKEN, mended, open_text

_MOST_NAMES = 200
_SHAPES = 64
_NO_TEXT = "bytes that are no text in the file's encoding; set options.encoding, for example ISO-8859-1 or windows-1252"


class Row(NamedTuple):
    """A record (number, no code), a failed record (number and code), a fault of the file (code, no number), or at last
    the file itself (neither): then `detail` is a JSON list of its columns, and `absent` names those that no record has.
    """

    number: int | None
    line: int | None
    code: str | None
    detail: str | None
    raw: str | None
    absent: str
    """Columns that the record lacks, parted by blanks."""
    flags: str
    """<column>:<reason> of what looked wrong, parted by blanks."""
    values: tuple[str | None, ...]


def read_rows(stream: BinaryIO, form: Form, wanted: Wanted) -> Iterator[Row]:
    """Read a record file to its end, in bounded memory whatever its length; nothing in it is passed over in silence.

    Args:
        stream: the file's bytes.
        form: how it is written.
        wanted: the columns.
    """
    seen = _Seen(wanted)
    nothing: tuple[str | None, ...] = (None,) * len(wanted.columns)
    line = None
    try:
        with open_text(stream, form.encoding) as text:
            for entry in _entries(text, form, wanted, seen):
                line = entry.line
                yield _row(entry, wanted, seen, nothing)
    except RecordFileError as problem:
        detail = mended(problem.detail) or problem.detail  # it may quote the header
        yield Row(None, problem.line or line, problem.code, detail, None, "", "", nothing)
    except BROKEN as error:
        detail = f"the packed file is cut short or damaged ({str(error) or type(error).__name__})"
        yield Row(None, line, Code.TRUNCATED, detail, None, "", "", nothing)
    except (OSError, UnicodeError) as error:
        yield unreadable(error, wanted, line)
    if form.kind == "json" and seen.names:
        for name in seen.lacking():
            yield Row(None, None, Code.NO_COLUMN, seen.without(name), None, "", "", nothing)
    yield Row(None, None, None, json.dumps(seen.names), None, " ".join(seen.never), "", nothing)


def row_of(number: int, line: int | None, fields: Mapping[str, object], raw: str, wanted: Wanted) -> Row:
    """The row of a record that could be read; a failed one where its key is none."""
    found = looked_up(fields, wanted)
    code, detail = None, None
    if wanted.required:
        place = list(wanted.columns).index(wanted.required)
        if f"{wanted.required}:encoding" in found.flags:
            code, detail = Code.ENCODING, _NO_TEXT
        elif found.texts[place] is None:
            code, detail = Code.NO_KEY, f"it has no value of {wanted.columns[wanted.required]}"
    if code is None and any(flag.endswith(":encoding") for flag in found.flags):
        detail = _NO_TEXT
    return Row(number, line, code, detail, raw, " ".join(found.absent), " ".join(found.flags), found.texts)


def unreadable(reason: str | Exception, wanted: Wanted, line: int | None = None) -> Row:
    """The row of a file that cannot be read, from `line` on."""
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    detail = f"it cannot be read: {text}"
    return Row(None, line, Code.UNREADABLE, detail, None, "", "", (None,) * len(wanted.columns))


class _Seen:
    """Which columns a file's records have had so far."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self.never = list(wanted.columns)
        self.names: list[str] = []
        self._lacking = " "
        self._shapes: set[tuple[str, ...]] = set()

    def header(self, names: Sequence[str]) -> None:
        """The file's header.

        Raises:
            RecordFileError: a needed column is not in it.
        """
        found = looked_up(dict.fromkeys(names, ""), self._wanted)
        self.record(dict.fromkeys(names), " ".join(found.absent))
        for name in self.lacking():
            raise RecordFileError(Code.NO_COLUMN, self.without(name))

    def lacking(self) -> list[str]:
        """Needed columns that no record has had."""
        return [name for name in self._wanted.needed if name in self.never]

    def without(self, name: str) -> str:
        """Says that the file does not have the column."""
        theirs = self._wanted.columns[name]
        return f"it has no column {theirs}; nearest are {nearest(theirs, self.names)}"

    def record(self, fields: Mapping[str, object], absent: str) -> None:
        """One more record, and the columns that it lacks."""
        if self.never and absent != self._lacking:
            lacking, self._lacking = absent.split(" "), absent
            self.never = [name for name in self.never if name in lacking]
        shape = tuple(fields)
        if shape not in self._shapes and len(self._shapes) < _SHAPES:
            self._shapes.add(shape)
            new = [name for name in names_in(fields) if name not in self.names]
            self.names += new[: _MOST_NAMES - len(self.names)]


def _entries(text: TextIO, form: Form, wanted: Wanted, seen: _Seen) -> Iterator[Entry]:
    if form.kind == "json":
        return json_entries(text)
    return delimited_entries(text, form, wanted.columns.values(), seen.header)


def _row(entry: Entry, wanted: Wanted, seen: _Seen, nothing: tuple[str | None, ...]) -> Row:
    if entry.fields is None:
        return Row(entry.number, entry.line, entry.code, entry.detail, None, "", "", nothing)
    row = row_of(entry.number, entry.line, entry.fields, written(entry.fields), wanted)
    seen.record(entry.fields, row.absent)
    return row
