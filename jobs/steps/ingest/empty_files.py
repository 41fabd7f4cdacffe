"""Files of zero bytes, which Spark's file sources pass over in silence: found by walking the directories."""

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.settings.sections import IngestSettings

EmptyFile = tuple[str, int]
"""A path as Spark writes it, and its modification time in microseconds."""


def empty_files(settings: "IngestSettings") -> Iterator[EmptyFile]:
    """Every empty file that the settings cover, directory by directory; hidden ones (._) are left out, as by Spark."""
    place = str(settings.photos)
    if "://" in place and not place.startswith("file://"):
        yield from _remote(place, settings)
        return
    local = place.removeprefix("file://").removeprefix("file:")
    there = Path(local).absolute()
    roots = [there] if there.exists() else Path(there.anchor).glob(str(there.relative_to(there.anchor)))
    for root in roots:
        for path in _local(root, recursive=settings.recursive):
            if _wanted(path.name, settings.glob) and (found := path.stat()).st_size == 0:
                yield f"file:{path}", int(found.st_mtime * 1000) * 1000


def _local(root: Path, *, recursive: bool) -> Iterator[Path]:
    if root.is_file():
        yield root
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if recursive and not name.startswith(("_", "."))]
        yield from (Path(folder) / name for name in names if (Path(folder) / name).is_file())


def _remote(place: str, settings: "IngestSettings") -> Iterator[EmptyFile]:
    from pyarrow import fs

    system, start = fs.FileSystem.from_uri(place)
    scheme, waiting = place.partition("://")[0], [start]
    while waiting:
        for found in system.get_file_info(fs.FileSelector(waiting.pop(), allow_not_found=True)):
            if found.type == fs.FileType.Directory and settings.recursive:
                waiting.append(found.path)
            elif found.type == fs.FileType.File and found.size == 0 and _wanted(found.base_name, settings.glob):
                yield f"{scheme}://{found.path}", (found.mtime_ns or 0) // 1_000_000 * 1000


def _wanted(name: str, pattern: str) -> bool:
    return not name.startswith(("_", ".")) and fnmatch.fnmatchcase(name, pattern)
