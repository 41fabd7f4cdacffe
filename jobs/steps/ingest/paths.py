"""File paths as Spark gives them, as Spark wants them back, and as people write them."""

import re
from typing import TYPE_CHECKING

from udfs.errors import SettingsError

if TYPE_CHECKING:
    from pyspark.sql import Column

SCHEME = r"^[A-Za-z][\w+.-]*:(//)?"
"""What stands before a path: one place has several (file: and nothing, s3: and s3a:, dbfs: and /Volumes)."""
_GLOB = re.compile(r"([\\{}\[\]*?])")
_NAMED_GROUP = re.compile(r"\(\?P<\w+>")
_NAMED_REFERENCE = re.compile(r"\(\?P=(\w+)\)")


def literal_path(path: str) -> str:
    """The path with Hadoop's glob characters escaped, so that it names exactly one file."""
    return _GLOB.sub(r"\\\1", path)


def without_scheme(path: str) -> str:
    """The path alone, for comparing places."""
    return re.sub(SCHEME, "", path)


def has_glob(place: str) -> bool:
    """Whether there are signs of a glob in a place."""
    return _GLOB.search(place) is not None


def plain_name(path: "Column") -> "Column":
    """A path as a person writes it: forward slashes, no leading ./ and no blanks around."""
    from pyspark.sql import functions as F

    return F.regexp_replace(F.translate(F.trim(path), "\\", "/"), r"^(\./+)+", "")


def java_pattern(pattern: str, group: str) -> tuple[str, int]:
    """A Python regular expression with a named group as one for Spark, and the group's number.

    Java's group names know no underscore, hence numbers.

    Raises:
        SettingsError: the pattern is no regular expression, or does not name the group.
    """
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise SettingsError(
            f"ingest.links.pattern is not a regular expression ({error}); correct {pattern!r}."
        ) from None
    if group not in groups:
        raise SettingsError(f"ingest.links.pattern does not name the group {group}; write (?P<{group}>...) in it.")
    numbered = _NAMED_REFERENCE.sub(lambda found: f"\\{groups[found.group(1)]}", pattern)
    return _NAMED_GROUP.sub("(", numbered), groups[group]
