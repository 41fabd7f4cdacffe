"""Columns of a record by their names, in any order and nesting, as text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from udfs.keys import key_of
from udfs.records.names import folded
from udfs.records.structured import WrittenNumber
from udfs.records.text import mended


class Absent:
    """Stands for a column that a record does not have: something else than a value of null."""


ABSENT = Absent()


@dataclass(frozen=True)
class Wanted:
    """Which columns are looked up.

    Attributes:
        columns: name of ours -> name in the source, dots for nesting.
        keys: those of ours that hold keys: they are read by `key_of`.
        needed: those of ours without which a file is useless.
        required: that one of the keys without which a record is none.
        decimal: the decimal sign in the texts: numbers of JSON are brought to it.
    """

    columns: Mapping[str, str]
    keys: Sequence[str] = ()
    needed: Sequence[str] = ()
    required: str = ""
    decimal: str = "."


@dataclass(frozen=True, slots=True)
class Values:
    """A record's values in the order of `Wanted.columns`; which of them it lacks, and what looked wrong in them."""

    texts: tuple[str | None, ...]
    absent: tuple[str, ...]
    flags: tuple[str, ...]


def looked_up(fields: Mapping[str, object], wanted: Wanted) -> Values:
    """The record's values as text, null where there is nothing.

    Flags are `<column>:<reason>`: encoding (bytes that were no text in it became U+FFFD), nul_bytes (they were taken
    out), not_a_key (a word in the place of a key).
    """
    texts: list[str | None] = []
    absent: list[str] = []
    flags: list[str] = []
    for ours, theirs in wanted.columns.items():
        found = fields.get(theirs, ABSENT)
        value = _nested(fields, theirs) if found is ABSENT else found
        if value is ABSENT:
            absent.append(ours)
            texts.append(None)
            continue
        text = value if isinstance(value, str) else _text(value, wanted.decimal)
        if text is not None and ("\0" in text or not text.isascii()):
            text = _cleaned(text, ours, flags)
        if ours in wanted.keys and text is not None:
            key = key_of(text, number=isinstance(value, int | float))
            if key is None and text.strip() and ours != wanted.required:
                flags.append(f"{ours}:not_a_key")
            text = key if key is not None or ours == wanted.required else text.strip() or None
        texts.append(text or None)
    return Values(tuple(texts), tuple(absent), tuple(flags))


def written(fields: Mapping[str, object]) -> str:
    """The record as JSON, the same for any order of its columns."""
    text = written_value(fields)
    return text if text.isascii() else mended(text) or text


def names_in(fields: Mapping[str, object]) -> list[str]:
    """Every column by its dotted name."""
    names: list[str] = []
    for name, value in fields.items():
        names += [f"{name}.{inner}" for inner in names_in(value)] if isinstance(value, dict) and value else [name]
    return names


def _nested(fields: Mapping[str, object], name: str) -> object:
    same = _by_folded_name(tuple(fields)).get(folded(name))
    if same is not None:
        return fields[same]
    node: object = fields
    parts = name.split(".")
    if len(parts) == 1:
        return ABSENT
    for part in parts:
        if node is None:
            return None
        if not isinstance(node, dict):
            return ABSENT
        inner = part if part in node else _by_folded_name(tuple(node)).get(folded(part))
        if inner is None:
            return ABSENT
        node = node[inner]
    return node


@lru_cache(maxsize=1024)
def _by_folded_name(names: tuple[str, ...]) -> Mapping[str, str]:
    return {folded(name): name for name in reversed(names)}


def _text(value: object, decimal: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, WrittenNumber):
        return value.text if decimal == "." else value.text.replace(".", decimal)
    if isinstance(value, dict | list):
        return written_value(value)
    return str(value)


def written_value(value: object) -> str:
    """A nested value as JSON."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _cleaned(text: str, ours: str, flags: list[str]) -> str:
    if "\0" in text:
        flags.append(f"{ours}:nul_bytes")
        text = text.replace("\0", "")
    better = mended(text)
    if better is not None:
        flags.append(f"{ours}:encoding")
    return better if better is not None else text
