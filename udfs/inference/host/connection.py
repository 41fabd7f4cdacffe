"""Both ends of the host's Unix socket as streams, which tell a peer that is gone from everything else."""

import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class PeerGoneError(ConnectionError):
    """The process at the other end has ended or hung up. Nothing but the socket raises it."""


class _PeerStream(io.RawIOBase):
    """Reads what the peer sends and writes what it takes. The peer never ends a stream by hanging up: to do so is to be
    gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        try:
            count = self._connection.recv_into(buffer)
        except OSError as error:
            raise PeerGoneError("the other side is gone") from error
        if not count:
            raise PeerGoneError("the other side is gone")
        return count

    def write(self, data: "ReadableBuffer") -> int:
        try:
            return self._connection.send(data)
        except OSError as error:
            raise PeerGoneError("the other side is gone") from error


@contextmanager
def streams(connection: socket.socket) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The connection as (reading, writing), closed at the end.

    Raises:
        PeerGoneError: from any use of them, once the other side is gone.
    """
    with connection:
        raw = _PeerStream(connection)
        writing = io.BufferedWriter(raw)
        try:
            yield io.BufferedReader(raw), writing
        finally:
            with suppress(PeerGoneError):  # what a peer that is gone was still to get
                writing.close()
