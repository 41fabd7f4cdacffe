"""What Spark and Delta mean by an error, told by its condition: type and text differ between Spark's two APIs."""

import re

from udfs.errors import first_line

_NAMED = re.compile(r"\[([A-Z][A-Z0-9]*_[A-Z0-9_]+(?:\.[A-Z0-9_]+)*)\]")
_PATH_ABSENT = ("PATH_NOT_FOUND", "PATH_DOES_NOT_EXIST", "DELTA_PATH_DOES_NOT_EXIST", "DELTA_FILE_NOT_FOUND")
_TABLE_ABSENT = (
    *_PATH_ABSENT,
    "DELTA_MISSING_DELTA_TABLE",
    "DELTA_TABLE_NOT_FOUND",
    "TABLE_OR_VIEW_NOT_FOUND",
    "SCHEMA_NOT_FOUND",
    "NO_SUCH_CATALOG_EXCEPTION",
)
_JAVA = re.compile(r"^(?:: |Caused by: )(?:[\w$]+\.)+[\w$]+: (.+)$", re.M)
_LONGEST = 300
_CONCURRENT = ("DELTA_CONCURRENT_", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED")


def condition(error: BaseException) -> str | None:
    """The name of what went wrong, such as DELTA_CONCURRENT_APPEND; None where it has none.

    Spark's own exceptions say it. What reaches Python in another wrapping names it in square brackets in its message.
    """
    ask = getattr(error, "getCondition", None)
    named = ask() if callable(ask) else None
    if named and named.count("_"):  # CONNECT and the like are wrappings
        return str(named)
    found = _NAMED.search(str(error))
    return found.group(1) if found else None


def in_words(error: BaseException) -> str:
    """What an error says in one line. What Java raised reaches Python as `An error occurred while calling o126.load`
    and a traceback: then the line that names a condition, else what is at the root of it all."""
    text = str(error)
    if "An error occurred while calling" not in text:
        return first_line(error)[:_LONGEST]
    told: list[str] = _JAVA.findall(text)
    named = (line for line in told if _NAMED.search(line))
    return next(named, told[-1] if told else first_line(error)).strip()[:_LONGEST]


def marked_text(error: BaseException, mark: str) -> str | None:
    """What follows a mark of ours, on its line, in an error that a task raised and Spark has wrapped; None without."""
    seen: BaseException | None = error
    while seen is not None:
        _, found, after = str(seen).partition(mark)
        if found:
            return after.strip().partition("\n")[0].strip()[:_LONGEST]
        seen = seen.__cause__
    return None


def table_is_absent(error: BaseException) -> bool:
    """Whether there is no such table, schema, or directory of a table."""
    return _is(error, _TABLE_ABSENT)


def path_is_absent(error: BaseException) -> bool:
    """Whether a path that was to be read is not there."""
    return _is(error, _PATH_ABSENT)


def was_beaten(error: BaseException) -> bool:
    """Whether another writer committed first, so that the same write may be tried again."""
    named = condition(error)
    return named is not None and named.startswith(_CONCURRENT)


def _is(error: BaseException, conditions: tuple[str, ...]) -> bool:
    named = condition(error)
    return named is not None and (named in conditions or named.partition(".")[0] in conditions)
