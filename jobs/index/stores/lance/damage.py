"""What is wrong with the files of a Lance dataset: seen by listing them, or told by an error while they are read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from jobs.index.protocol import index_damaged
from jobs.lakehouse.errors import marked_text
from udfs.errors import IndexDamagedError
from udfs.functions.index_damage import MARK, is_damage, said

if TYPE_CHECKING:
    from lance import LanceDataset

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Located(Protocol):
    """Whatever reads the index at a location."""

    location: str


_S = TypeVar("_S", bound=Located)


def missing_or_cut(dataset: "LanceDataset") -> str | None:
    """What the newest version names and is not there, or has another size; None where all is. Costs one listing: the
    contents are only known to be right when they are read and hashed."""
    held = sizes(dataset)
    tracked = dataset.tracked_files(min_version=dataset.version).read_all().to_pylist()
    missing = sorted(row["path"] for row in tracked if row["path"] not in held and row["type"] != "transaction file")
    if missing:
        return f"{missing[0]} is missing"
    for fragment in dataset.get_fragments():
        for file in fragment.data_files():
            found = held.get(f"data/{file.path}", 0)
            if file.file_size_bytes and found != file.file_size_bytes:
                return f"data/{file.path} has {found:,} bytes, not {file.file_size_bytes:,}"
    for index in dataset.describe_indices():
        for segment in index.segments:
            folder = f"_indices/{segment.uuid}/"
            found = sum(size for path, size in held.items() if path.startswith(folder))
            if segment.size_bytes and found != segment.size_bytes:
                return f"{folder} has {found:,} bytes, not {segment.size_bytes:,}"
    return None


def sizes(dataset: "LanceDataset") -> dict[str, int]:
    """Every file below the dataset: its path in there, and its bytes."""
    listed = dataset.all_files().read_all().to_pylist()
    return {row["path"]: int(row["size_bytes"]) for row in listed}


@contextmanager
def damage_of(location: str) -> Iterator[None]:
    """Raises what comes up within as an IndexDamagedError where it tells of damaged files."""
    try:
        yield
    except IndexDamagedError:
        raise
    except BaseException as error:
        told = marked_text(error, MARK)
        if told is None and not is_damage(error):
            raise
        raise index_damaged(location, told or said(error)) from error


def tells_damage(
    method: Callable[Concatenate[_S, _P], _R],
) -> Callable[Concatenate[_S, _P], _R]:
    """A method of whatever has a `location`, that raises IndexDamagedError where files cannot be read."""

    @wraps(method)
    def told(self: _S, /, *arguments: _P.args, **options: _P.kwargs) -> _R:
        with damage_of(self.location):
            return method(self, *arguments, **options)

    return told
