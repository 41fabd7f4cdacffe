"""Listing a directory tree on the executors: every file once, with its time and length; no file is opened."""

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from udfs.functions.batches import BatchFunction
from udfs.functions.file_names import expanded, is_hidden, name_pattern, path_bytes, path_text

SCHEME = "file:"
ABSENT = "absent"
"""The problem of a place where nothing is."""
HIDDEN = "hidden name"
NO_FILE = "no regular file"
CIRCLE = "link that leads in a circle"
LEFT_OUT = (HIDDEN, NO_FILE, CIRCLE)
"""Problems of entries that hold no photo of their own: counted, and nothing to mend."""
FOLDERS_SCHEMA = pa.schema([("folder", pa.string()), ("deep", pa.bool_()), ("problem", pa.string())])
FILES_SCHEMA = pa.schema(
    [("path", pa.string()), ("micros", pa.int64()), ("length", pa.int64()), ("problem", pa.string())]
)
"""A file's path with its scheme, time in microseconds since the epoch (whole milliseconds, as Java gives them) and
length in bytes; or, with neither, what could not be listed and why."""
ROWS = 16_384

Folder = tuple[str, bool, str | None]
File = tuple[str, int | None, int | None, str | None]


def split_folders(place: str, *, recursive: bool, enough: int) -> BatchFunction:
    """Make the function for `DataFrame.mapInArrow` that cuts a place into folders which can be listed side by side.

    `place` is a file, a directory, or a glob that finds such; one that exists is what it is, whatever signs are in its
    name. Runs in one task, whatever comes in. Goes down level by level until there are `enough` folders, and
    gives `FOLDERS_SCHEMA`: a folder alone, or with all that is below it (`deep`).
    """
    return partial(_split, place=place, recursive=recursive, enough=enough)


def list_files(glob: str, *, recursive: bool) -> BatchFunction:
    """Make the function for `DataFrame.mapInArrow` that lists folders of `split_folders` as `FILES_SCHEMA`.

    Files whose names fit `glob`, empty ones too. A folder that may not be read, or a file that may not be looked at,
    gets a row with its problem, and the rest is listed; so does what is `LEFT_OUT`. Nothing is passed over in silence.
    """
    return partial(_list, glob=glob, recursive=recursive)


def _split(batches: Iterator[pa.RecordBatch], *, place: str, recursive: bool, enough: int) -> Iterator[pa.RecordBatch]:
    for _ in batches:
        pass
    yield from _batches(_folders(place, recursive=recursive, enough=enough), FOLDERS_SCHEMA)


def _list(batches: Iterator[pa.RecordBatch], *, glob: str, recursive: bool) -> Iterator[pa.RecordBatch]:
    yield from _batches(_files(batches, name_pattern(glob), recursive=recursive), FILES_SCHEMA)


def _folders(place: str, *, recursive: bool, enough: int) -> Iterator[Folder]:
    level = _roots(place)
    if not level:
        yield place, False, ABSENT
    while recursive and 0 < len(level) < enough:
        below: list[str] = []
        for folder in level:
            yield folder, False, None
            below += _subfolders(folder)
        level = below
    for folder in level:
        yield folder, recursive, None


def _roots(place: str) -> list[str]:
    there = os.fsdecode(path_bytes(place))
    if os.path.lexists(there):
        return [path_text(there)]
    found = {path for pattern in expanded(place) for path in Path(place[:1]).glob(pattern.lstrip("/"))}
    return sorted(path_text(str(path)) for path in found if not is_hidden(path.name))


def _subfolders(folder: str) -> list[str]:
    try:
        with os.scandir(os.fsdecode(path_bytes(folder))) as entries:
            return [path_text(entry.path) for entry in entries if _goes_down(entry)]
    except OSError:
        return []  # told when the folder itself is listed


def _goes_down(entry: os.DirEntry[str]) -> bool:
    return _is_directory(entry) and _why_not_a_folder(entry) is None


def _files(batches: Iterator[pa.RecordBatch], wanted: re.Pattern[str], *, recursive: bool) -> Iterator[File]:
    for batch in batches:
        for folder, deep, problem in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if problem is not None:
                yield SCHEME + folder, None, None, problem
                continue
            start = Path(os.fsdecode(path_bytes(folder)))
            if start.is_dir():
                yield from _walk(str(start), wanted, deep=deep, recursive=recursive)
            elif wanted.match(start.name):
                yield from _described(start)


def _walk(start: str, wanted: re.Pattern[str], *, deep: bool, recursive: bool) -> Iterator[File]:
    waiting = [start]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if _is_directory(entry):
                        problem = _why_not_a_folder(entry) if recursive else None
                        if problem:
                            yield _problem(entry.path, problem)
                        elif deep:
                            waiting.append(entry.path)
                    elif wanted.match(entry.name):
                        yield from _entry(entry)
        except FileNotFoundError:
            continue  # removed while the listing ran
        except OSError as error:
            yield _problem(folder, error.strerror or type(error).__name__)


def _entry(entry: os.DirEntry[str]) -> Iterator[File]:
    if is_hidden(entry.name):
        yield _problem(entry.path, HIDDEN)
    elif entry.is_symlink() or entry.is_file():  # even a link that leads nowhere
        yield from _described(entry)
    else:
        yield _problem(entry.path, NO_FILE)


def _problem(path: str, problem: str) -> File:
    return SCHEME + path_text(path), None, None, problem


def _described(entry: os.DirEntry[str] | Path) -> Iterator[File]:
    path = SCHEME + path_text(os.fspath(entry))
    try:
        found = entry.stat()
    except FileNotFoundError:
        if not entry.is_symlink():
            return  # removed while the listing ran
        found = Path(entry).lstat()  # points nowhere: its bytes cannot be read, and that gets a row
    except OSError as error:
        yield path, None, None, error.strerror or type(error).__name__
        return
    yield path, found.st_mtime_ns // 1_000_000 * 1000, found.st_size, None


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that cannot be followed, which is told when it is looked at


def _why_not_a_folder(entry: os.DirEntry[str]) -> str | None:
    """Why not to go down into a directory: it is hidden, or a link back to where one comes from."""
    if is_hidden(entry.name):
        return HIDDEN
    if not entry.is_symlink():
        return None
    target = Path(entry.path).resolve()
    above = [folder.resolve() for folder in Path(entry.path).parents]
    return CIRCLE if target in above or above[0].is_relative_to(target) else None


def _batches(rows: Iterator[tuple[object, ...]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    waiting: list[tuple[object, ...]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) >= ROWS:
            yield _batch(waiting, schema)
            waiting = []
    if waiting:
        yield _batch(waiting, schema)


def _batch(rows: list[tuple[object, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    return pa.record_batch([pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)], schema)
