"""The one exception of this package: why a photo could not be read, as a code and a short sentence."""

import re

from udfs.outcome import ErrorCode

DETAIL_LENGTH = 200
"""Longest error detail, in characters: it is a table column that people read, not a log."""

_BYTES_LITERAL = re.compile(r"""b'[^']*'?|b"[^"]*"?""")
_OBJECT = re.compile(r"<[^<>]* at 0x[0-9a-fA-F]+>")
_PATH = re.compile(r"(?:[A-Za-z]:)?[\\/](?:[\w.\-]+[\\/])+[\w.\-]*")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]+")


class PhotoError(Exception):
    """A photo that cannot be read. `code` is from the closed list, `detail` is one line safe to store."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        self.code = code
        self.detail = one_line(detail)
        super().__init__(f"{code}: {self.detail}")


def one_line(text: str) -> str:
    """Make a library's message fit to store: one line, at most 200 characters, no bytes, paths or addresses."""
    for pattern in (_BYTES_LITERAL, _OBJECT, _PATH):
        text = pattern.sub("...", text)
    text = " ".join(_NOT_PRINTABLE.sub(" ", text).split())
    return text if len(text) <= DETAIL_LENGTH else text[: DETAIL_LENGTH - 3] + "..."
