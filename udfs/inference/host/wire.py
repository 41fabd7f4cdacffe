"""What tasks and the host say to each other over their Unix socket.

The host greets. A task sends one line of JSON, its Request; the host answers with one, its Answer. Then Arrow
streams go both ways at once: rows of the task's inputs one way, of its outputs the other. The host's stream ends with
another Answer.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import IO, Any

from udfs.models import ModelReference

GREETING = b"\n"
"""Tells a task that the host has taken it on, and is not about to end."""


@dataclass(frozen=True)
class Request:
    """Which model, under which key, is to do which task (tasks.TASKS). `alone`: while no other task is at work."""

    reference: ModelReference
    model_key: str
    task: str
    batch_size: int | None
    alone: bool = False

    def send(self, stream: IO[bytes]) -> None:
        """Write it as one line."""
        _send(stream, dataclasses.asdict(self))

    @classmethod
    def receive(cls, stream: IO[bytes]) -> "Request":
        """Read it.

        Raises:
            ConnectionError: the task is gone.
        """
        values = _receive(stream)
        return cls(ModelReference(**values.pop("reference")), **values)


@dataclass(frozen=True)
class Answer:
    """How it goes: `error` is the name of an error type of udfs.errors, or empty; `window` is how many rows a task
    should have under way, and `window_bytes` how many bytes at most. `waiting` says what takes its time; another Answer
    follows."""

    error: str = ""
    message: str = ""
    window: int = 0
    window_bytes: int = 0
    waiting: str = ""

    def send(self, stream: IO[bytes]) -> None:
        """Write it as one line."""
        _send(stream, dataclasses.asdict(self))

    @classmethod
    def receive(cls, stream: IO[bytes]) -> "Answer":
        """Read it.

        Raises:
            ConnectionError: the host is gone.
        """
        return cls(**_receive(stream))


def _send(stream: IO[bytes], values: dict[str, object]) -> None:
    stream.write(json.dumps(values).encode() + b"\n")
    stream.flush()


def _receive(stream: IO[bytes]) -> dict[str, Any]:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise ConnectionError("the other side is gone")
    values: dict[str, Any] = json.loads(line)
    return values
