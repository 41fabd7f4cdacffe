"""What a claim is after all that was delivered of it: in each column the newest record that has the column decides."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, cast

Claim = Mapping[str, Any]
KEY = "claim_id"
DUPLICATE = f"{KEY}:duplicate"
MISSING = f"{KEY}:missing"
"""The flag of a claim that a complete delivery did not name."""
_OF_KEY = f"{KEY}:"
_KEPT = ("raw", "record_hash")


def merged(stored: Claim | None, delivered: Sequence[Claim], columns: Sequence[str]) -> dict[str, Any]:
    """One claim of what stands in the table and of the records that were delivered of it.

    A record that lacks a column leaves it as it is. Where records say when they are of (`version`), an older one
    changes only what no newer one has given, in whatever order they come. One that does not say is as new as what it
    finds, and so takes its place.

    Args:
        stored: the claim's row, with `version`, and in `given_at` what `merged` had put there; or None.
        delivered: its records, one at least, with `version`, and in `absent` the columns they lack.
        columns: names of the columns that records fill.

    Returns:
        The columns; flags, raw and record_hash; `given_at`, a JSON object of those columns that are not of the newest
        record's time; `older`: a record was older than what stood, and changed nothing.
    """
    records = list({record["record_hash"]: record for record in delivered}.values())
    given_at = _times(stored)
    rows = [*([stored] if stored else []), *records]
    rows.sort(key=lambda row: _rank(row, stored, given_at, None), reverse=True)
    version = _time(rows[0], stored, given_at, None)
    values: dict[str, Any] = {}
    flags: list[str] = []
    times: dict[str, str | None] = {}
    for giver, names in _givers(rows, stored, given_at, columns):
        for name in names:
            values[name] = giver[name] if giver else None
            time = _time(giver, stored, given_at, name) if giver else None
            if time != version:
                times[name] = time.isoformat() if time else None
        if giver and giver["flags"]:
            own = [flag for flag in giver["flags"] if not flag.startswith(_OF_KEY)]
            flags += [flag for flag in own if flag.partition(":")[0] in names]
    newest = rows[0]
    flags = [*_of_the_key(newest, records), *flags]
    values |= {"flags": flags, "given_at": json.dumps(times, sort_keys=True) if times else None}
    values |= {name: newest[name] for name in _KEPT}
    older = stored is not None and any(_is_older(record, stored) for record in records)
    values["older"] = older and stored is not None and all(stored[name] == value for name, value in values.items())
    return values


def _givers(
    rows: Sequence[Claim], stored: Claim | None, given_at: Mapping[str, datetime | None], columns: Sequence[str]
) -> Iterator[tuple[Claim | None, Sequence[str]]]:
    """The columns by the row that gives them, the rows being in their order, the newest first."""
    if given_at:
        for name in columns:
            having = [row for row in rows if row is stored or name not in row["absent"].split(" ")]
            yield max(having, key=partial(_rank, stored=stored, given_at=given_at, name=name), default=None), (name,)
        return
    left = columns
    for row in rows:
        lacking = () if row is stored or not row["absent"] else row["absent"].split(" ")
        yield row, [name for name in left if name not in lacking] if lacking else left
        left = [name for name in left if name in lacking]
    yield None, left


def _times(stored: Claim | None) -> dict[str, datetime | None]:
    written = stored["given_at"] if stored else None
    found: dict[str, str | None] = json.loads(written) if written else {}
    return {name: datetime.fromisoformat(time) if time else None for name, time in found.items()}


def _time(
    row: Claim, stored: Claim | None, given_at: Mapping[str, datetime | None], name: str | None
) -> datetime | None:
    """When the row's value of a column is of; of the row as a whole without a name."""
    time: datetime | None = row["version"]
    if stored is not None and (row is stored or time is None):
        return given_at[name] if name is not None and name in given_at else cast(datetime | None, stored["version"])
    return time


def _rank(
    row: Claim, stored: Claim | None, given_at: Mapping[str, datetime | None], name: str | None
) -> tuple[bool, datetime, bool, str]:
    time = _time(row, stored, given_at, name)
    return time is not None, time or datetime.min, row is not stored, row["record_hash"]


def _is_older(record: Claim, stored: Claim) -> bool:
    return record["version"] is not None and stored["version"] is not None and record["version"] < stored["version"]


def _of_the_key(newest: Claim, records: Sequence[Claim]) -> list[str]:
    own = [flag for flag in newest["flags"] if flag.startswith(_OF_KEY) and flag != MISSING]
    if len(records) > 1 and DUPLICATE not in own:
        own.append(DUPLICATE)
    return own
