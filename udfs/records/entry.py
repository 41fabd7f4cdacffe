"""One entry of a record file, before its columns are looked up."""

from collections.abc import Mapping
from dataclasses import dataclass

from udfs.records.problem import Code


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, or what stood in the place of one: then `fields` is None, and code and detail say why."""

    number: int
    """Its place among the file's records, from 1."""
    line: int
    """The line on which it begins, from 1."""
    fields: Mapping[str, object] | None
    code: Code | None = None
    detail: str | None = None
