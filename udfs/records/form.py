"""How record files are written: what their reader must be told, or finds by itself."""

import codecs
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from udfs.errors import SettingsError

Kind = Literal["csv", "json"]
_MEANING = {"encoding": "encoding", "charset": "encoding", "sep": "delimiter", "delimiter": "delimiter"}
_MEANING |= {name: name for name in ("quote", "escape", "header")}
FOR_LISTING = ("pathGlobFilter", "recursiveFileLookup")
"""Options that say which files there are."""


@dataclass(frozen=True)
class Form:
    """How the files are written.

    What is None is found in each file: the encoding by its mark (else UTF-8), the delimiter by the header.
    """

    kind: Kind
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = '"'
    escape: str | None = None
    header: bool = True


def form_of(kind: Kind, options: Mapping[str, str], setting: str) -> Form:
    """The form that reader options (of Spark's names: encoding, sep, quote, escape, header) describe.

    Raises:
        SettingsError: an option is unknown, or its value is none; names `setting`.
    """
    values: dict[str, str] = {}
    for name, value in options.items():
        known = next((option for option in (*_MEANING, *FOR_LISTING) if option.lower() == name.lower()), None)
        if known is None:
            close = difflib.get_close_matches(name, (*_MEANING, *FOR_LISTING), n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join((*_MEANING, *FOR_LISTING))}."
            raise SettingsError(f"{setting}.{name} is no option of {kind} files; {hint}")
        if known in _MEANING:
            values[_MEANING[known]] = value
    encoding = values.get("encoding")
    if encoding is not None:
        _checked_encoding(encoding, setting)
    delimiter = values.get("delimiter")
    delimiter = "\t" if delimiter == "\\t" else delimiter
    for name, sign in (("sep", delimiter), ("quote", values.get("quote")), ("escape", values.get("escape"))):
        if sign and len(sign) != 1:
            raise SettingsError(f"{setting}.{name} = {sign!r} must be one character.")
    escape = values.get("escape")
    return Form(
        kind,
        encoding,
        delimiter or None,
        values.get("quote", '"') or None,
        None if escape in {"", '"'} else escape,
        values.get("header", "true").strip().lower() not in {"false", "no", "0"},
    )


def _checked_encoding(encoding: str, setting: str) -> None:
    try:
        codecs.lookup(encoding)
        "".encode(encoding)
    except (LookupError, ValueError):
        raise SettingsError(
            f"{setting}.encoding = {encoding} is no encoding; write for example UTF-8, ISO-8859-1 or windows-1252."
        ) from None
