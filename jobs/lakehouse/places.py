"""Places as Spark names them, for those parts that read and write files themselves: one translation for all.

| Spark's path | for the driver |
| --- | --- |
| a plain path, `file:/…`, `/Volumes/…` | a local path (Databricks mounts volumes) |
| `dbfs:/…` | `/dbfs/…`, and `/Volumes/…` for `dbfs:/Volumes/…` |
| `s3://`, `s3a://`, `s3n://` | `s3://` |
| `abfss://`, `abfs://`, `gs://`, `gcs://`, `hdfs://`, `viewfs://` | as it is |
"""

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from udfs.errors import SettingsError

if TYPE_CHECKING:
    from pyarrow import fs

SAME = ("abfss", "abfs", "gs", "gcs", "hdfs", "viewfs")
S3 = ("s3", "s3a", "s3n")


def located(path: str) -> str:
    """An absolute local path, or the address as it is when it names a scheme."""
    return path if _scheme(path) else str(Path(path).expanduser().absolute())


def local_path(path: str) -> Path | None:
    """Where the place lies among this machine's files, or None when it lies in a store.

    Raises:
        SettingsError: the scheme is unknown.
    """
    where = address(path)
    return None if _scheme(where) else Path(where)


def address(path: str) -> str:
    """The place as pyarrow and Lance name it: an absolute local path, or an address of theirs.

    Raises:
        SettingsError: the scheme is unknown; says which are known.
    """
    scheme = _scheme(path)
    if not scheme:
        return located(path)
    if scheme in S3:
        return f"s3:{path.partition(':')[2]}"
    if scheme in SAME:
        return path
    if scheme == "file":
        return unquote(urlsplit(path).path)
    if scheme == "dbfs":
        inner = "/" + path.partition(":")[2].lstrip("/")
        return inner if inner.startswith("/Volumes/") else f"/dbfs{inner}"
    known = ", ".join([*(f"{name}://" for name in (*S3, *SAME)), "file:/", "dbfs:/", "/Volumes/"])
    raise SettingsError(f"{path}: claimlens knows no {scheme}: here; it knows plain paths and {known}.")


def local_file(path: str, setting: str) -> Path:
    """The same for what this process itself writes or reads as a file.

    Args:
        path: the place.
        setting: what names it, for the error.

    Raises:
        SettingsError: it lies in a store, or the scheme is unknown.
    """
    where = local_path(path)
    if where is None:
        raise SettingsError(
            f"{setting} = {path}: is an address in a store; give a path of this machine (on Databricks, one under "
            "/Volumes)."
        )
    return where


def file_system(path: str) -> "tuple[fs.FileSystem, str]":
    """pyarrow's file system for a place, and the path within it.

    Raises:
        SettingsError: the scheme is unknown.
    """
    from pyarrow import fs

    where = address(path)
    return fs.FileSystem.from_uri(where) if _scheme(where) else (fs.LocalFileSystem(), where)


def remove_directory(path: str) -> None:
    """Delete a directory; one that is not there is fine."""
    from pyarrow import fs

    system, inner = file_system(path)
    if system.get_file_info(inner).type == fs.FileType.Directory:
        system.delete_dir(inner)


def holds_only_directories(path: str, named: str) -> bool:
    """Whether all that lies directly below a place are directories whose names match a pattern; also when nothing
    does."""
    from pyarrow import fs

    system, inner = file_system(path)
    within = system.get_file_info(fs.FileSelector(inner, allow_not_found=True))
    return all(entry.type == fs.FileType.Directory and re.fullmatch(named, entry.base_name) for entry in within)


def directories(path: str) -> dict[str, datetime | None]:
    """The directories directly below a place, each with the time of the last change to anything within it: None where
    the store knows no times."""
    from pyarrow import fs

    system, inner = file_system(path)
    if system.get_file_info(inner).type != fs.FileType.Directory:
        return {}
    found = system.get_file_info(fs.FileSelector(inner))
    return {entry.base_name: _changed(system, entry) for entry in found if entry.type == fs.FileType.Directory}


def _changed(system: "fs.FileSystem", directory: "fs.FileInfo") -> datetime | None:
    from pyarrow import fs

    within = system.get_file_info(fs.FileSelector(directory.path, recursive=True))
    return max((entry.mtime for entry in (directory, *within) if entry.mtime), default=None)


def _scheme(path: str) -> str:
    """The scheme in small letters; empty for a path, also for one with a colon in a name."""
    found = re.match(r"([A-Za-z][\w+.-]*):/", path)
    return found.group(1).lower() if found else ""
