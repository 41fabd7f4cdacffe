"""A decoder's life: one photo after the other, each under a clock and a limit on memory that end it if need be."""

import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from udfs.images.decoders.wire import PATIENCE, limits_of, photo_head, receive, receive_line, send
from udfs.images.photo import SanitisedPhoto, SanitiseLimits
from udfs.images.sanitise import sanitise

SPENT_SHARE = 8
"""A decoder that holds more than this part of its limit between two photos has lost memory, and is replaced."""


def decode_until_hung_up(connection: socket.socket) -> None:
    """Sanitise what comes, and answer; until nobody asks any more, or this process is spent."""
    stream = connection.makefile("rb")
    at_first = _data_bytes()
    allowed = 0
    while True:
        try:
            line, content = receive_line(stream)
        except (EOFError, OSError):
            return
        limits = limits_of(line)
        if limits.maximum_memory != allowed:
            allowed = limits.maximum_memory
            _limit_memory(at_first + allowed)
        photo = _under_clock(content, limits, connection, stream)
        del content
        spent = _data_bytes() - at_first > limits.maximum_memory // SPENT_SHARE
        send(connection, {**photo_head(photo), "spent": spent}, photo.jpeg or b"")
        if spent:
            return


def _under_clock(content: bytes, limits: SanitiseLimits, connection: socket.socket, stream: BinaryIO) -> SanitisedPhoto:
    @contextmanager
    def turn() -> Iterator[None]:
        """Wait until no other decoder has a giant under way; that is no time of this photo's."""
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        send(connection, {"giant": True})
        receive(stream)
        signal.setitimer(signal.ITIMER_REAL, left)
        yield

    # Nothing catches these alarms: whatever the decoder is at, the process ends. Where it does nothing, who asked sees
    # that earlier.
    signal.setitimer(signal.ITIMER_PROF, limits.maximum_seconds)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * limits.maximum_seconds)
    try:
        return sanitise(content, limits, turn())
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit_memory(most: int) -> None:
    """Let allocations beyond `most` bytes fail: heap and private mappings, not the libraries' code."""
    if sys.platform != "linux":  # others do not count mappings, or refuse the limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _data_bytes() -> int:
    """What RLIMIT_DATA counts, of this process; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as pages:  # noqa: PTH123 - for each photo, and Path is slow
            return int(pages.read().split()[5]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0
