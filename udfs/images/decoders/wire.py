"""What goes between a pool and a decoder: a line of JSON, and bytes. No pickle: the decoder has read hostile files."""

import json
import socket
import struct
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, BinaryIO

from udfs.images.photo import SanitisedPhoto, SanitiseLimits
from udfs.outcome import ErrorCode, Status

Head = dict[str, Any]

PATIENCE = 4
"""On a machine that is busy with other things, a photo may take so many times its seconds by the wall clock."""
GREETING = b"ready"
"""What the server says when it can be forked."""
ORDER = struct.Struct("=q")
"""To the server: 0, with a socket along with it, is the wish for a decoder on that socket; else the pid of one that is
to be ended."""
FORKED = struct.Struct("=q")
"""From the server: the new decoder's pid, or NOT_FORKED where the system does not allow one."""
NOT_FORKED = -1
ENDED = struct.Struct("=qq")
"""From the server: how the decoder has ended, as waitpid says it, and the most memory that it had, in bytes."""

_LENGTHS = struct.Struct("=IQ")


def send(connection: socket.socket, head: Mapping[str, Any] | bytes, body: bytes | memoryview = b"") -> None:
    """Send one message. Raises OSError where the other side is gone, TimeoutError where it does not take it."""
    line = head if isinstance(head, bytes) else json.dumps(head).encode()
    length = memoryview(body).nbytes
    connection.sendall(_LENGTHS.pack(len(line), length) + line)
    if length:
        connection.sendall(body)


def receive(stream: BinaryIO) -> tuple[Head, bytes]:
    """Receive one message: its head and its bytes. Raises EOFError where the other side is gone."""
    line, content = receive_line(stream)
    head: Head = json.loads(line)
    return head, content


def receive_line(stream: BinaryIO) -> tuple[bytes, bytes]:
    """The same with the head as it came."""
    head_length, length = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    return _exactly(stream, head_length), _exactly(stream, length)


@lru_cache(maxsize=16)
def limits_line(limits: SanitiseLimits) -> bytes:
    """The head that goes to a decoder with a photo, the same for each."""
    return json.dumps(vars(limits)).encode()


@lru_cache(maxsize=16)
def limits_of(line: bytes) -> SanitiseLimits:
    """What `limits_line` wrote."""
    return SanitiseLimits(**json.loads(line))


def photo_head(photo: SanitisedPhoto) -> Head:
    """The head that comes back with the sanitised JPEG."""
    head = {name: value for name, value in vars(photo).items() if name != "jpeg"}
    if photo.captured_at is not None:
        head["captured_at"] = photo.captured_at.isoformat()
    return head


def photo_of(head: Head, jpeg: bytes) -> SanitisedPhoto:
    """Put together what `photo_head` took apart. Raises ValueError or TypeError where it did not make the head."""
    code, time = head["error_code"], head["captured_at"]
    known = {
        "status": Status(head["status"]),
        "error_code": None if code is None else ErrorCode(code),
        "captured_at": None if time is None else datetime.fromisoformat(time),
        "jpeg": jpeg or None,
    }
    return SanitisedPhoto(**{**head, **known})


def _exactly(stream: BinaryIO, length: int) -> bytes:
    found = stream.read(length) if length else b""
    if found is None or len(found) < length:
        raise EOFError("the other side has hung up")
    return found
