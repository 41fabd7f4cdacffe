"""What Spark and Delta mean by an error, told by its condition: type and text differ between Spark's two APIs."""

import re

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
_FEED_UNREADABLE = (
    "DELTA_CHANGE_DATA_FEED_INCOMPATIBLE_DATA_SCHEMA",
    "DELTA_CHANGE_DATA_FEED_INCOMPATIBLE_SCHEMA_CHANGE",
    "DELTA_CHANGE_DATA_FILE_NOT_FOUND",
    "DELTA_CHANGE_TABLE_FEED_DISABLED",
    "DELTA_MISSING_CHANGE_DATA",
    "DELTA_FILE_NOT_FOUND_DETAILED",
    "DELTA_TRUNCATED_TRANSACTION_LOG",
    "DELTA_LOG_FILE_NOT_FOUND",
    "DELTA_VERSION_NOT_FOUND",
    "DELTA_VERSION_INVALID",
    "DELTA_TABLE_ONLY_SUPPORTS_APPEND",
    "FAILED_READ_FILE",
)
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


def table_is_absent(error: BaseException) -> bool:
    """Whether there is no such table, schema, or directory of a table."""
    return _is(error, _TABLE_ABSENT)


def path_is_absent(error: BaseException) -> bool:
    """Whether a path that was to be read is not there."""
    return _is(error, _PATH_ABSENT)


def feed_is_unreadable(error: BaseException) -> bool:
    """Whether the change feed cannot say any more what changed: vacuumed, switched off, or another schema since."""
    return _is(error, _FEED_UNREADABLE)


def was_beaten(error: BaseException) -> bool:
    """Whether another writer committed first, so that the same write may be tried again."""
    named = condition(error)
    return named is not None and named.startswith(_CONCURRENT)


def _is(error: BaseException, conditions: tuple[str, ...]) -> bool:
    named = condition(error)
    return named is not None and (named in conditions or named.partition(".")[0] in conditions)
