"""Both ends of the host's Unix socket as streams, which tell a peer that is gone from everything else."""

import io
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class PeerGoneError(ConnectionError):
    """The process at the other end has ended or hung up. Nothing but the socket raises it."""


class _PeerStream(io.RawIOBase):
    """Reads what the peer sends and writes what it takes. The peer never ends a stream by hanging up: to do so is to be
    gone."""

    def __init__(self, connection: socket.socket, silent: Callable[[], None] | None) -> None:
        self._connection = connection
        self._silent = silent

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = self._patient(lambda: self._connection.recv_into(buffer))
        if not count:
            raise PeerGoneError("the other side is gone")
        return count

    def write(self, data: "ReadableBuffer") -> int:
        return self._patient(lambda: self._connection.send(data))

    def _patient(self, action: Callable[[], int]) -> int:
        while True:
            try:
                return action()
            except TimeoutError:
                if self._silent is not None:
                    self._silent()
            except OSError as error:
                raise PeerGoneError("the other side is gone") from error


@contextmanager
def streams(
    connection: socket.socket, seconds: float | None = None, silent: Callable[[], None] | None = None
) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The connection as (reading, writing), closed at the end.

    Args:
        connection: to the peer.
        seconds: after which without a byte from the peer, or room for one, `silent` is called, again and again.
        silent: returns to wait on, or raises.

    Raises:
        PeerGoneError: from any use of them, once the other side is gone.
    """
    with connection:
        connection.settimeout(seconds)
        raw = _PeerStream(connection, silent)
        writing = io.BufferedWriter(raw)
        try:
            yield io.BufferedReader(raw), writing
        finally:
            with suppress(PeerGoneError):  # what a peer that is gone was still to get
                writing.close()
