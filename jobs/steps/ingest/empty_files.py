"""Files of zero bytes at an address, which Spark's file sources pass over in silence: found by a listing of its own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jobs.lakehouse.places import file_system
from udfs.functions.file_names import is_hidden, name_pattern

if TYPE_CHECKING:
    from jobs.settings.sections import IngestSettings

EmptyFile = tuple[str, int]
"""A path as Spark writes it, and its modification time in microseconds."""


def empty_files(settings: "IngestSettings") -> Iterator[EmptyFile]:
    """Every empty file that the settings cover, directory by directory.

    Raises:
        SettingsError: the kind of address is unknown.
        OSError, ValueError: it may not be listed.
    """
    from pyarrow import fs

    place, wanted = str(settings.photos).rstrip("/"), name_pattern(settings.glob)
    system, start = file_system(place)
    waiting = [start]
    while waiting:
        for found in system.get_file_info(fs.FileSelector(waiting.pop(), allow_not_found=True)):
            if is_hidden(found.base_name) or found.base_name.startswith("_"):
                continue  # Spark's listing, to which these are added, leaves them out too
            if found.type == fs.FileType.Directory and settings.recursive:
                waiting.append(found.path)
            elif found.type == fs.FileType.File and found.size == 0 and wanted.match(found.base_name):
                yield place + found.path.removeprefix(start), (found.mtime_ns or 0) // 1_000_000 * 1000
