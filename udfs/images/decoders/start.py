"""The server of decoders, as the process that starts it sees it."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from udfs.images.decoders.wire import ENDED, FORKED, GREETING, NOT_FORKED, ORDER

START_SECONDS = 60.0
SERVER = "udfs.images.decoders.server"
TUNING = {
    # Threads of a library would not be there after the fork, and be waited for.
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    # glibc would give a photo's memory back to the system and fetch it again for the next, page by page.
    "MALLOC_MMAP_THRESHOLD_": str(8 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024 * 1024),
}
"""Environment of the server: what has to be decided before its process begins."""


class NoDecoderError(Exception):
    """No process can be had that decodes: the system allows none, or it does not start."""


class Server:
    """A server of this process, with its forks. Safe in threads."""

    def __init__(self) -> None:
        """Start it. Raises NoDecoderError."""
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        environment = {**os.environ, **TUNING}
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)
        with theirs, tempfile.TemporaryFile() as errors:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", SERVER, str(theirs.fileno())],
                    env=environment,
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    start_new_session=True,  # what a terminal interrupts is whoever asks, not a decoder
                )
            except OSError as error:
                self._control.close()
                raise NoDecoderError(f"no process can be started that decodes ({error})") from error
            theirs.close()
            if not self._greets():
                errors.seek(0)
                last = (errors.read().decode(errors="replace").strip().splitlines() or ["without a word"])[-1]
                self.close()
                raise NoDecoderError(f"the process that decodes does not start ({last})")

    def fork(self, connection: socket.socket) -> int:
        """Fork a decoder that serves this socket: its pid.

        Raises:
            NoDecoderError: the system allows no further process.
            OSError: the server has ended.
        """
        with self._lock:
            socket.send_fds(self._control, [ORDER.pack(0)], [connection.fileno()])
            (pid,) = FORKED.unpack(self._answer(FORKED.size))
        if pid == NOT_FORKED:
            raise NoDecoderError("no further process can be started that decodes")
        return int(pid)

    def end(self, pid: int) -> tuple[int, int]:
        """End a decoder: its status as waitpid has it, and the most memory it had, in bytes.

        Raises:
            OSError: the server has ended.
        """
        with self._lock:
            self._control.sendall(ORDER.pack(pid))
            status, most_bytes = ENDED.unpack(self._answer(ENDED.size))
        return status, most_bytes

    def close(self) -> None:
        """End it, and with it all its decoders."""
        self._control.close()
        self._process.wait()

    def _greets(self) -> bool:
        self._control.settimeout(START_SECONDS)
        try:
            return self._control.recv(len(GREETING), socket.MSG_WAITALL) == GREETING
        except OSError:
            return False

    def _answer(self, length: int) -> bytes:
        answer = self._control.recv(length, socket.MSG_WAITALL)
        if len(answer) < length:
            raise ConnectionResetError("it has hung up")
        return answer
