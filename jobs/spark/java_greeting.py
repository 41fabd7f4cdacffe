"""Java's own greeting, kept off standard error: the one line of a session that no logging setting reaches."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

GREETING = b"WARNING: Using incubator modules: jdk.incubator.vector"
"""Java says so because Spark's launcher asks for this module, whatever the job."""


@contextmanager
def java_starts_silently() -> Iterator[None]:
    """A Java that is started within has its standard error, all its life, relayed without the greeting."""
    reader, writer = os.pipe()
    errors = os.dup(2)
    threading.Thread(target=_relay, args=(reader, errors), daemon=True, name="java-errors").start()
    os.dup2(writer, 2)
    os.close(writer)
    try:
        yield
    finally:
        os.dup2(errors, 2)


def _relay(reader: int, errors: int) -> None:
    with os.fdopen(reader, "rb") as lines:
        for line in lines:
            if not line.startswith(GREETING):
                with suppress(OSError):  # nobody reads any more; but Java must not stand still over a full pipe
                    os.write(errors, line)
