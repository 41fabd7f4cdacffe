"""SHA-256 of a model's files, read once on a machine: the digest is kept in the user's cache until the file changes.

A file is known by its resolved path, size, inode and its times of modification and change in nanoseconds. Each has a
small file of its own, replaced as a whole, so that processes beside one another never see half of one. A cache that
cannot be read or written is none.
"""

import hashlib
import json
import os
import time
import uuid
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

SETTLED_SECONDS = 2.0
"""A file that has changed since may change again without another time of modification, so its digest is not kept."""

_State = tuple[int, int, int, int]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    resolved = path.resolve()
    return _digest(resolved, _state(resolved))


def cache_directory() -> Path | None:
    """Where digests are kept: under XDG_CACHE_HOME, else ~/.cache; None where this user has no home."""
    named = os.environ.get("XDG_CACHE_HOME")
    try:
        root = Path(named) if named else Path.home() / ".cache"
    except RuntimeError:
        return None
    return root / "claimlens" / "digests"


def _state(path: Path) -> _State:
    found = path.stat()
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


@lru_cache(maxsize=256)
def _digest(path: Path, state: _State) -> str:
    directory = cache_directory()
    entry = None if directory is None else directory / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"
    known = None if entry is None else _kept(entry, path, state)
    if known is not None:
        return known
    began = time.time()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if entry is not None and _state(path) == state and max(state[2:]) / 1e9 < began - SETTLED_SECONDS:
        _keep(entry, path, state, digest)
    return digest


def _kept(entry: Path, path: Path, state: _State) -> str | None:
    try:
        values = json.loads(entry.read_text("utf-8"))
        known = values["path"] == str(path) and values["state"] == list(state)
        return str(values["sha256"]) if known else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(entry: Path, path: Path, state: _State, digest: str) -> None:
    half = entry.with_name(f".{uuid.uuid4().hex}")
    try:
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        half.write_text(json.dumps({"path": str(path), "state": list(state), "sha256": digest}), "utf-8")
        half.replace(entry)
    except OSError:
        with suppress(OSError):
            half.unlink()
