"""Bytes of a record file to text: decompressed, decoded, and told apart from what is no text at all."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from udfs.records.problem import Code, RecordFileError

_BAD = "\udcff"
_ERRORS = "claimlens.marked"
_HEAD = 4096
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PACKED: tuple[tuple[bytes, Callable[[BinaryIO], object]], ...] = (
    (b"\x1f\x8b", lambda stream: gzip.GzipFile(fileobj=stream)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
)
_WORKBOOK = "an Excel workbook; save it as CSV (UTF-8) there, and name that file"
_OTHER = (
    (b"PK\x03\x04", f"a ZIP archive or {_WORKBOOK}"),
    (b"\xd0\xcf\x11\xe0", _WORKBOOK),
    (b"PAR1", "a Parquet file; set the format to parquet"),
    (b"\x28\xb5\x2f\xfd", "packed by Zstandard, which is not read here; unpack it"),
)
_NOT_TEXT = re.compile("[\ud800-\udfff]")
BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
"""What the readers of packed files raise for a file that was cut short or damaged."""

codecs.register_error(_ERRORS, lambda error: (_BAD, cast(UnicodeDecodeError, error).end))


@contextmanager
def open_text(stream: BinaryIO, encoding: str | None) -> Iterator[io.TextIOWrapper]:
    """The text of a file, line ends as they are. Bytes that are no text become a mark, which `mended` finds.

    The stream is closed when the block is left.

    Args:
        stream: the file's bytes, packed by gzip, bzip2 or xz or not.
        encoding: null: what the mark at the file's beginning says, else UTF-8.

    Raises:
        RecordFileError: it is no text, or empty.
    """
    with io.BufferedReader(cast(io.RawIOBase, stream), 1 << 16) as packed, _unpacked(packed) as plain:
        head = plain.peek(_HEAD)[:_HEAD]
        marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        _check(head, marked or encoding)
        with io.TextIOWrapper(plain, encoding=marked or encoding or "utf-8", errors=_ERRORS, newline="") as text:
            yield text


def _check(head: bytes, encoding: str | None) -> None:
    if not head:
        raise RecordFileError(Code.EMPTY, "the file is empty")
    for magic, what in _OTHER:
        if head.startswith(magic):
            raise RecordFileError(Code.WRONG_FORMAT, f"this is {what}")
    if encoding is None and head.count(0) > len(head) // 10:
        way = "set options.encoding, for example UTF-16LE or UTF-16BE"
        raise RecordFileError(Code.ENCODING, f"this is no UTF-8 text; {way}", 1)


def mended(text: str) -> str | None:
    """The text with U+FFFD for what was no text in its encoding; None where all of it is text."""
    if text.isascii() or _NOT_TEXT.search(text) is None:
        return None
    return _NOT_TEXT.sub("\ufffd", text)


def _unpacked(stream: "io.BufferedReader[Any]") -> "io.BufferedReader[Any]":
    head = stream.peek(8)[:8]
    unpack = next((unpack for magic, unpack in _PACKED if head.startswith(magic)), None)
    return io.BufferedReader(cast(io.RawIOBase, unpack(stream))) if unpack else stream
