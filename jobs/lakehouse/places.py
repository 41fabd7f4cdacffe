"""Paths of tables and staging: local ones made absolute, the rest (s3://, /Volumes, abfss://) as given."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyarrow import fs


def located(path: str) -> str:
    """An absolute local path, or the address as it is when it names a scheme."""
    return path if re.match(r"[A-Za-z][\w+.-]*:/", path) else str(Path(path).expanduser().absolute())


def remove_directory(path: str) -> None:
    """Delete a directory on any file system that pyarrow knows; one that is not there is fine."""
    from pyarrow import fs

    system, inner = fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)
    if system.get_file_info(inner).type == fs.FileType.Directory:
        system.delete_dir(inner)


def remove_abandoned(path: str, *, now: datetime, hours: float) -> int:
    """Delete the directories directly below `path` that were last changed more than `hours` ago; says how many."""
    from pyarrow import fs

    system, inner = fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)
    if system.get_file_info(inner).type != fs.FileType.Directory:
        return 0
    oldest = now - timedelta(hours=hours)
    found = system.get_file_info(fs.FileSelector(inner))
    abandoned = [entry for entry in found if entry.type == fs.FileType.Directory and _changed(entry) <= oldest]
    for entry in abandoned:
        system.delete_dir(entry.path)
    return len(abandoned)


def _changed(entry: "fs.FileInfo") -> datetime:
    # Object stores have no directories and so no times of theirs: such an entry is never taken for abandoned.
    return entry.mtime or datetime.max.replace(tzinfo=UTC)
