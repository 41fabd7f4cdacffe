"""One writer at a time: a lock that the operating system drops when its process ends, however it ends."""

import errno
import hashlib
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from udfs.errors import ClaimlensError

POLL_SECONDS = 0.2
_UNSUPPORTED = {errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}


@contextmanager
def only_writer(location: str, wait_seconds: float) -> Iterator[None]:
    """Hold the index at `location` while the block runs.

    The lock lies beside the index. An index on an object store is locked for this machine only; across machines the
    declared primary key keeps concurrent writers from inserting a row twice.

    Raises:
        ClaimlensError: another process held the lock for `wait_seconds`; names that process.
    """
    import fcntl

    path = lock_path(location)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise ClaimlensError(
                        f"Another process writes the index {location}{_holder(file)}; waited {wait_seconds:g} s. "
                        "Run again when it has finished, or end it."
                    ) from None
                time.sleep(POLL_SECONDS)
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
                break  # a file system without locks: the primary key remains
        file.truncate(0)
        json.dump({"process": os.getpid(), "host": socket.gethostname()}, file)
        file.flush()
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)


def lock_path(location: str) -> Path:
    """Where the lock of an index is."""
    if "://" in location:
        named = hashlib.sha256(location.encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"claimlens-{named}.lock"
    return Path(f"{location}.lock")


def _holder(file: IO[str]) -> str:
    with suppress(ValueError, KeyError, OSError):
        file.seek(0)
        held = json.load(file)
        return f" (process {held['process']} on {held['host']})"
    return ""
