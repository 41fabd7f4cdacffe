"""What an error of Lance's says about the files it read: damage, or something else."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from udfs.errors import first_line

MARK = "[INDEX_UNREADABLE]"
"""Stands in what a task says of damaged files; the driver finds it in whatever Spark wraps that in."""
_SOURCE_LINE = re.compile(r",? ?/\S+\.rs:\d+(:\d+)?\.?")
_OF_FILES = re.compile(
    r"not found|LanceError\((IO|Arrow|Internal)\)|corrupt|protobuf|user input: |(tail|metadata) .*(range|position)"
    r"|magic|failed to fill|invalid range|panic",
    re.I,
)
_OF_PLACE = re.compile(
    r"permission|denied|unauthori|forbidden|no space|quota|timed? ?out|connection|dns|credential", re.I
)
_OF_QUESTION = re.compile(r"filter expression|sql|schema error|no field named|column .* does not exist", re.I)


def is_damage(error: BaseException) -> bool:
    """Whether it says that files are missing or cannot be what was written; not that a place cannot be reached, nor
    that something else was asked than there is."""
    if type(error).__name__ == "PanicException":  # what Lance's own code did not expect; no subclass of Exception
        return True
    if not isinstance(error, OSError | ValueError | RuntimeError | pa.ArrowException):
        return False
    text = str(error)
    if isinstance(error, PermissionError | ConnectionError) or _OF_PLACE.search(text) or _OF_QUESTION.search(text):
        return False
    return isinstance(error, OSError | pa.ArrowException) or bool(_OF_FILES.search(text))


def said(error: BaseException) -> str:
    """The error in one short line, without the places in Lance's own source."""
    return _SOURCE_LINE.sub("", first_line(error))[:200]


@contextmanager
def damage_marked() -> Iterator[None]:
    """Raises damage that comes up within as a RuntimeError that the driver can tell by its mark."""
    try:
        yield
    except BaseException as error:
        if is_damage(error):
            raise RuntimeError(f"{MARK} {said(error)}") from error
        raise
