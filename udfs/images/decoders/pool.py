"""The side that asks: each photo goes to a decoder that is free, and comes back clean, or with the code of what it did.

A photo whose decoder ends is the only one that this costs: a new decoder is forked within milliseconds. One that was
ended from outside (killed, the system short of memory) is not at fault for certain, and is tried once more.
"""

import atexit
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from udfs.images.decoders.start import NoDecoderError, Server
from udfs.images.decoders.wire import PATIENCE, Head, limits_line, photo_of, receive, send
from udfs.images.photo import SanitisedPhoto, SanitiseLimits
from udfs.images.sniff import sniff_format
from udfs.outcome import ErrorCode, Status

CLOCKS = {signal.SIGALRM, signal.SIGPROF}
FULL_SHARE = 0.75
"""A decoder that crashed with so much of its memory in use ran out of it: few codecs bear an allocation that fails."""
FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class Decoders:
    """Decoders of one process, started as they are needed, for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._giant = threading.Lock()
        self._server: Server | None = None
        self._free: list[_Decoder] = []
        self._no_decoder: str | None = None

    def sanitise(self, content: bytes | memoryview, limits: SanitiseLimits) -> SanitisedPhoto:
        """Do what `udfs.images.sanitise.sanitise` does, in another process, under the limits' clock and memory.

        Never raises for what the bytes hold. Besides the codes of sanitise: DECODER_CRASHED, DECODER_TIMEOUT,
        TOO_MUCH_MEMORY. Where no other process may be started, this one decodes, without the two limits; that is said
        once on standard error.
        """
        if len(content) > limits.maximum_bytes or not len(content):
            return self._here(content, limits)  # refused by its length alone
        again = True
        while self._no_decoder is None:
            try:
                decoder = self._take()
            except NoDecoderError as error:
                self._do_without(str(error))
                break
            try:
                return self._asked(decoder, content, limits)
            except _EndedError as ended:
                if not (ended.from_outside and again):
                    return SanitisedPhoto(
                        Status.FAILED, ended.code, ended.detail, original_format=sniff_format(bytes(content[:4096]))
                    )
                again = False
        return self._here(content, limits)

    def close(self) -> None:
        """End all decoders that are free, and the server; those at work end with their photo."""
        with self._lock:
            free, self._free = self._free, []
            server, self._server = self._server, None
        for decoder in free:
            decoder.connection.close()
        if server is not None:
            server.close()

    def _asked(self, decoder: "_Decoder", content: bytes | memoryview, limits: SanitiseLimits) -> SanitisedPhoto:
        decoder.connection.settimeout(PATIENCE * limits.maximum_seconds)
        silent = False
        try:
            with ExitStack() as held:
                send(decoder.connection, limits_line(limits), content)
                head, jpeg = decoder.answer(limits.maximum_seconds)
                if "giant" in head:
                    held.enter_context(self._giant)
                    send(decoder.connection, {})
                    head, jpeg = decoder.answer(limits.maximum_seconds)
            spent = head.pop("spent")
            photo = photo_of(head, jpeg)
        except TimeoutError:
            silent = True
        except (OSError, EOFError, ValueError, TypeError, KeyError):
            # It has ended, or what was left of it makes no sense.
            pass
        else:
            self._give_back(decoder, spent=spent)
            return photo
        raise _ended(decoder, limits, silent=silent)

    def _take(self) -> "_Decoder":
        """A decoder that is free, else a new one. Raises NoDecoderError."""
        with self._lock:
            if self._free:
                return self._free.pop()
            if self._server is not None:
                with suppress(OSError):
                    return _Decoder.of(self._server)
                self._server.close()  # somebody has ended it
            self._server = Server()
            try:
                return _Decoder.of(self._server)
            except OSError as error:
                raise NoDecoderError(f"the process that decodes ends at once ({error})") from error

    def _give_back(self, decoder: "_Decoder", *, spent: bool) -> None:
        with self._lock:
            if decoder.server is self._server and not spent:
                self._free.append(decoder)
                return
        with suppress(OSError):
            decoder.end()

    def _do_without(self, reason: str) -> None:
        with self._lock:
            if self._no_decoder is None:
                self._no_decoder = reason
                sys.stderr.write(
                    f"claimlens: {reason}; this process ({os.getpid()}) decodes photos itself, without "
                    "ingest.maximum_seconds and ingest.maximum_memory\n"
                )

    def _here(self, content: bytes | memoryview, limits: SanitiseLimits) -> SanitisedPhoto:
        from udfs.images.sanitise import sanitise

        return sanitise(bytes(content), limits, self._giant)


def decoders() -> Decoders:
    """The decoders of this process, which stay for its tasks to come; a fork of it gets its own."""
    with _making:
        return _decoders_of(os.getpid())


@cache
def _decoders_of(process: int) -> Decoders:
    made = Decoders()
    atexit.register(lambda: made.close() if os.getpid() == process else None)
    return made


_making = threading.Lock()


@dataclass(frozen=True)
class _Decoder:
    server: Server
    pid: int
    connection: socket.socket
    stream: BinaryIO

    @classmethod
    def of(cls, server: Server) -> "_Decoder":
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                pid = server.fork(theirs)
            except BaseException:
                ours.close()
                raise
        return cls(server, pid, ours, ours.makefile("rb"))

    def answer(self, seconds: float) -> tuple[Head, bytes]:
        """What it has to say. One that computes is ended by a clock of its own, which stands still while others have
        its core. Raises TimeoutError where it does nothing for so many seconds, EOFError or OSError where it has ended.
        """
        readable = select.poll()
        readable.register(self.connection, select.POLLIN)
        until = time.monotonic() + PATIENCE * seconds
        while not readable.poll(1000 * seconds):
            if time.monotonic() > until or not is_computing(self.pid):
                raise TimeoutError
        return receive(self.stream)

    def end(self) -> tuple[int, int]:
        """End it, however it is: its status as waitpid has it, and the most memory it had, in bytes.

        Raises OSError where the server has ended, which tells nobody how its decoders did.
        """
        self.stream.close()
        self.connection.close()
        return self.server.end(self.pid)


def is_computing(pid: int) -> bool:
    """Whether a process runs, would run if it had a core, or waits for a disk; False where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"R", "D"}
    except (OSError, IndexError):
        return False


class _EndedError(Exception):
    def __init__(self, code: ErrorCode, detail: str, *, from_outside: bool = False) -> None:
        self.code, self.detail, self.from_outside = code, detail, from_outside


def _ended(decoder: _Decoder, limits: SanitiseLimits, *, silent: bool) -> _EndedError:
    """What a decoder that did not answer says of its photo."""
    try:
        status, most_bytes = decoder.end()
    except OSError:
        return _EndedError(ErrorCode.DECODER_CRASHED, "the decoder ended, and all others with it", from_outside=True)
    by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if silent or by in CLOCKS:
        seconds = f"{limits.maximum_seconds:g} s, which ingest.maximum_seconds allows"
        return _EndedError(ErrorCode.DECODER_TIMEOUT, f"it was not decoded in {seconds}")
    if by == signal.SIGKILL:
        detail = "the system ended the decoder, as it does where memory runs out"
        return _EndedError(ErrorCode.TOO_MUCH_MEMORY, detail, from_outside=True)
    if most_bytes > FULL_SHARE * limits.maximum_memory:
        detail = f"the decoder ended with {most_bytes} bytes, ingest.maximum_memory is {limits.maximum_memory}"
        return _EndedError(ErrorCode.TOO_MUCH_MEMORY, detail)
    how = f"exit status {os.waitstatus_to_exitcode(status)}"
    if by:
        how = str(by)
        with suppress(ValueError):
            how = signal.Signals(by).name
    detail = f"reading it ended the decoder by {how}"
    return _EndedError(ErrorCode.DECODER_CRASHED, detail, from_outside=by in FROM_OUTSIDE)
