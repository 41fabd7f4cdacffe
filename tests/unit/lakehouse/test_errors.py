"""Errors are told by their condition, whatever they are wrapped in."""

import pytest
from pyspark.errors import PySparkException

from jobs.lakehouse.errors import condition, feed_is_unreadable, path_is_absent, table_is_absent, was_beaten


def named(condition):
    """As Spark raises it, with the condition told and not only written."""
    return PySparkException("something went wrong", errorClass=condition)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (named("DELTA_CONCURRENT_APPEND.WITHOUT_HINT"), "DELTA_CONCURRENT_APPEND.WITHOUT_HINT"),
        (Exception("An error occurred: x.y.Z: [PATH_NOT_FOUND] Path is not there: [A]"), "PATH_NOT_FOUND"),
        (Exception("[TABLE_OR_VIEW_NOT_FOUND] The table"), "TABLE_OR_VIEW_NOT_FOUND"),
        (Exception("a list [A, B] and [ONE]"), None),
        (Exception(""), None),
        (named(None), None),
    ],
)
def test_the_condition_is_what_the_error_says_itself_else_what_its_message_names(error, name):
    assert condition(error) == name


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (was_beaten, named("DELTA_CONCURRENT_DELETE_READ")),
        (table_is_absent, named("DELTA_MISSING_DELTA_TABLE")),
        (path_is_absent, Exception("[PATH_NOT_FOUND] x")),
        (feed_is_unreadable, named("DELTA_CHANGE_DATA_FEED_INCOMPATIBLE_DATA_SCHEMA.DETAIL")),
    ],
)
def test_each_kind_is_known_by_its_conditions(kind, error):
    assert kind(error)
    assert not kind(Exception("PATH_NOT_FOUND, said somebody of DELTA_CONCURRENT_APPEND"))
