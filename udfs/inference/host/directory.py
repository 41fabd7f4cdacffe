"""Where a host process is found: a directory with its socket, its lock and its log, which only this user can enter."""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import udfs
from udfs.errors import EnvironmentMissingError
from udfs.inference.host.placement import Place, parent_process

SOCKET_PATH_LENGTH = 100
"""Unix sockets have short names: 108 bytes on Linux, 104 on macOS."""
CRASHED = "Fatal Python error"
"""How faulthandler begins."""
ABANDONED_SECONDS = 24 * 3600.0


def host_directory(place: Place, *, lasting: bool = False) -> Path:
    """The directory of a place's host on this executor.

    Args:
        place: the device, and which GPU that is.
        lasting: of the host that outlives the process which starts it: one for all processes of this user that run the
            same code with the same interpreter.

    Raises:
        EnvironmentMissingError: the directory belongs to somebody else, or cannot be made.
    """
    who = _code() if lasting else str(parent_process())
    code = Path(__file__).resolve().parent
    named = hashlib.sha256(f"{who} {place} {code} {sys.executable}".encode()).hexdigest()[:16]
    directory = _own_root() / named
    for through in (directory.parent, directory):
        try:
            through.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise EnvironmentMissingError(
                f"{through} cannot be made ({error.strerror}); set TMPDIR to a directory where you may write."
            ) from error
        if through.stat().st_uid != os.getuid() or through.stat().st_mode & 0o077:
            raise EnvironmentMissingError(
                f"{through} is open to other users; remove it, or set TMPDIR to a directory of your own."
            )
    os.utime(directory)
    return directory


def remove_abandoned_directories() -> None:
    """Remove the host directories, logs included, that no task has asked for in a day and no host has the lock of."""
    for directory in _own_root().iterdir():
        with suppress(OSError):  # a host is at work there, or somebody else was faster
            if time.time() - directory.stat().st_mtime > ABANDONED_SECONDS:
                with (directory / "lock").open("w") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(directory)


def last_words(directory: Path) -> str:
    """The last line of the host's log: what it died of, if it could say so."""
    lines = _log(directory)
    return crash(directory) or (lines[-1] if lines else "it left no message")


def crash(directory: Path) -> str | None:
    """What has crashed the host: a segmentation fault, an abort; None if it did not say that it crashed."""
    return next((line for line in _log(directory) if line.startswith(CRASHED)), None)


def _log(directory: Path) -> list[str]:
    try:
        return (directory / "log").read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return []


def _code() -> str:
    """Changes with any file that a host runs, so that no host of former code is asked."""
    root = Path(udfs.__file__).resolve().parent
    found = [(str(path), path.stat()) for path in sorted(root.rglob("*.py"))]
    return hashlib.sha256(repr([(path, seen.st_size, seen.st_mtime_ns) for path, seen in found]).encode()).hexdigest()


def _own_root() -> Path:
    root = Path(tempfile.gettempdir())
    if len(str(root)) > SOCKET_PATH_LENGTH - 60:
        root = Path("/tmp")
    return root / f"claimlens-{os.getuid()}"
