"""A server of decoders that do what a file asks for, as a hostile one would: crash, hang, stop, fill the memory."""

import os
import signal
import time

from udfs.images import sanitise as sanitising
from udfs.images.decoders.server import main

START = b"\xff\xd8\xff"
CRASH, HANG, SLEEP, STOP, FILL, LEAK, LEAVE, KILLED, GIANT = (
    START + word for word in (b"crash", b"hang", b"sleep", b"stop", b"fill", b"leak", b"leave", b"killed", b"giant")
)
LEAKED = 40_000_000


def hang() -> None:
    while True:
        pass


def fill() -> None:
    kept = []
    while True:
        kept.append(bytes(4 * 1024 * 1024))


def leak() -> None:
    _lost.append(bytes(LEAKED))


_lost: list[bytes] = []
DEEDS = {
    CRASH: lambda: os.kill(os.getpid(), signal.SIGSEGV),
    HANG: hang,
    SLEEP: lambda: time.sleep(60),
    STOP: lambda: os.kill(os.getpid(), signal.SIGSTOP),
    FILL: fill,
    LEAK: leak,
    LEAVE: lambda: os._exit(3),
    KILLED: lambda: os.kill(os.getpid(), signal.SIGKILL),
}

_open = sanitising.open_photo


def open_photo(content: bytes, format_name: str, *limits: int):
    deed = next((DEEDS[word] for word in DEEDS if content.startswith(word)), None)
    if deed is not None:
        deed()
    if content.startswith(GIANT):
        return Giant()
    return _open(content, format_name, *limits)


class Giant:
    """Says that it is one, and when it was under way."""

    size = (sanitising.GIANT_PIXELS, 2)


def clean(image, *arguments):
    if not isinstance(image, Giant):
        return _clean(image, *arguments)
    start = time.monotonic()
    time.sleep(0.3)
    raise ValueError(f"{start} {time.monotonic()}")


_clean = sanitising._clean
sanitising._clean = clean
sanitising.open_photo = open_photo

if __name__ == "__main__":
    main()
