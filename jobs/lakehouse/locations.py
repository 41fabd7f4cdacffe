"""Paths of tables and staging: local ones made absolute, the rest (s3://, /Volumes, abfss://) as given."""

from pathlib import Path

from pyarrow import fs


def located(path: str) -> str:
    """An absolute local path, or the address as it is when it names a scheme."""
    return path if "://" in path else str(Path(path).expanduser().absolute())


def remove_directory(path: str) -> None:
    """Delete a directory on any file system that pyarrow knows; one that is not there is fine."""
    system, inner = fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)
    if system.get_file_info(inner).type == fs.FileType.Directory:
        system.delete_dir(inner)
