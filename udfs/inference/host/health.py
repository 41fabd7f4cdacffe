"""A host that does not go on: a task that hears nothing asks it how it is, and ends it where it is stuck.

The question has a socket of its own. Whoever connects is told at once, in one line of JSON, so that a host whose tasks
all hang can still say so; one that is stopped, or hangs as a whole, says nothing.
"""

import json
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from udfs.inference.engine import Engine
    from udfs.inference.host.workload import Workload

PROBE_SECONDS = 10.0
"""What the smallest piece of work may take on a device that works."""
ANSWER_SECONDS = 2 * PROBE_SECONDS
HOPELESS = 3
"""So many deadlines without a finished portion are too many, even where the device seems well."""


def answer_health(connection: socket.socket, workload: "Workload") -> None:
    """Tell who has connected; the device is tried in a thread of its own, which may hang."""
    problem = _problem(workload.engines())
    line = json.dumps({"still_seconds": workload.still_seconds, "problem": problem})
    with connection, suppress(OSError):
        connection.sendall(line.encode() + b"\n")


def stuck(directory: Path, deadline_seconds: float) -> str | None:
    """Ask the host of a directory how it is; why it is to be ended, None where it works or is gone already."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(directory / "health"))
            told = connection.makefile("rb").readline()
        except TimeoutError:
            return f"it does not answer in {ANSWER_SECONDS:.0f} s"
        except OSError:
            return None
    if not told.endswith(b"\n"):
        return None
    health = json.loads(told)
    still = float(health["still_seconds"])
    if still > deadline_seconds and health["problem"]:
        return f"nothing was finished for {still:.0f} s, and {health['problem']}"
    if still > HOPELESS * deadline_seconds:
        return f"nothing was finished for {still:.0f} s"
    return None


def end_peer(connection: socket.socket) -> None:
    """Kill the process at the other end, whatever it is at; the system says which one that is."""
    if sys.platform == "darwin":
        peer = connection.getsockopt(0, 2)  # SOL_LOCAL, LOCAL_PEERPID of sys/un.h
    else:
        peer = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    if peer not in {0, os.getpid()}:
        with suppress(ProcessLookupError):
            os.kill(peer, signal.SIGKILL)


def _problem(engines: "Sequence[Engine]") -> str:
    said: list[str] = []

    def probe() -> None:
        try:
            for engine in engines:
                engine.health()
            said.append("")
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")

    probing = threading.Thread(target=probe, daemon=True)
    probing.start()
    probing.join(PROBE_SECONDS)
    return said[0] if said else f"its device does not finish the smallest piece of work in {PROBE_SECONDS:.0f} s"
