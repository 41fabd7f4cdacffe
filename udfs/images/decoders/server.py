"""The process that decoders are forked from: it has everything imported, and neither threads nor Spark.

Started as a module with the number of its socket. Its decoders end with it, and it with whoever started it: both read
until the other end is closed, which the system does for a process that is killed.
"""

import gc
import io
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from PIL import Image

from udfs.images.decode import prepare_decoders
from udfs.images.decoders.decoder import decode_until_hung_up
from udfs.images.decoders.wire import ENDED, FORKED, GREETING, NOT_FORKED, ORDER
from udfs.images.photo import SanitiseLimits
from udfs.images.sanitise import sanitise

MAXIMUM_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def serve(control: socket.socket) -> None:
    """Fork decoders and end them, as they are ordered, until nobody orders any more."""
    decoders: set[int] = set()
    while True:
        try:
            order, descriptors, _, _ = socket.recv_fds(control, ORDER.size, 1)
        except ConnectionError:
            order, descriptors = b"", []
        if len(order) < ORDER.size:
            break
        if descriptors:
            pid = _forked(control, descriptors[0])
            if pid != NOT_FORKED:
                decoders.add(pid)
            control.sendall(FORKED.pack(pid))
            continue
        (pid,) = ORDER.unpack(order)
        if pid not in decoders:  # never a process of somebody else
            break
        decoders.remove(pid)
        control.sendall(ENDED.pack(*_ended(pid)))
    for pid in decoders:
        _ended(pid)


def _forked(control: socket.socket, descriptor: int) -> int:
    """Fork a decoder that reads from this descriptor: its pid, or NOT_FORKED."""
    try:
        pid = os.fork()
    except OSError:
        pid = NOT_FORKED
    if pid:
        os.close(descriptor)
        return pid
    status = 1
    try:
        control.close()
        with socket.socket(fileno=descriptor) as connection:
            decode_until_hung_up(connection)
        status = 0
    finally:
        os._exit(status)  # nothing of the server's is to be done twice


def _ended(pid: int) -> tuple[int, int]:
    # One that has ended by itself keeps its status; one that hangs or is stopped is ended now.
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return status, usage.ru_maxrss * MAXIMUM_RSS_UNIT


def _prepare() -> None:
    """What forks shall find done: signals as the system has them, no core files, one thread, all imports."""
    clocks = {signal.SIGALRM, signal.SIGPROF}
    for clock in clocks:
        signal.signal(clock, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, clocks)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        # Where memory runs out, the system ends a decoder before it ends who asked.
        Path("/proc/self/oom_score_adj").write_text("1000")
    prepare_decoders()
    picture = io.BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "JPEG")
    sanitise(picture.getvalue(), SanitiseLimits())
    gc.freeze()  # no fork has to look through all this again


def main() -> None:
    """Serve on the socket whose number is the first argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _prepare()
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # from here on only the codecs' remarks on hostile files would come
    control.sendall(GREETING)
    serve(control)


if __name__ == "__main__":
    main()
