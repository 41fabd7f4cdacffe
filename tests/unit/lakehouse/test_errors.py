"""Errors are told by their condition, whatever they are wrapped in."""

import re

import pytest
from pyspark.errors import PySparkException

from jobs.lakehouse.errors import condition, in_words, marked_text, path_is_absent, table_is_absent, was_beaten


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
    ],
)
def test_each_kind_is_known_by_its_conditions(kind, error):
    assert kind(error)
    assert not kind(Exception("PATH_NOT_FOUND, said somebody of DELTA_CONCURRENT_APPEND"))


FROM_JAVA = """An error occurred while calling o615.parquet.
: org.apache.spark.SparkException: Job aborted.
\tat org.apache.spark.sql.Some.thing(Some.scala:1)
Caused by: org.apache.spark.SparkException: [FAILED_READ_FILE.FILE_NOT_EXIST] A file is gone: file:/lake/part-1
\t... 28 more
Caused by: java.io.FileNotFoundException: File file:/lake/part-1 does not exist
"""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Exception(FROM_JAVA), "[FAILED_READ_FILE.FILE_NOT_EXIST] A file is gone: file:/lake/part-1"),
        (
            Exception(re.sub(r"\[FAILED\S+ ", "", FROM_JAVA)),
            "File file:/lake/part-1 does not exist",
        ),
        (Exception("An error occurred while calling o1.load"), "An error occurred while calling o1.load"),
        (ValueError("\n one thing\nand another"), "one thing"),
        (ValueError(), "ValueError"),
    ],
)
def test_an_error_is_told_in_the_one_line_that_says_most(error, words):
    assert in_words(error) == words


def test_what_a_task_marked_is_found_in_whatever_wraps_it():
    wrapped = RuntimeError("stage failed")
    wrapped.__cause__ = Exception('File "x.py"\nRuntimeError: [OURS] it is cut short\n\tat java')
    assert marked_text(wrapped, "[OURS]") == "it is cut short"
    assert marked_text(wrapped, "[THEIRS]") is None
