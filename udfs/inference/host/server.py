"""The host process of a device: it holds the models, and serves every task of its executor.

One process, because workers of Spark come and go and each would load a copy; started by the first task that needs it,
never forked, so that CUDA is begun in a process of its own, and shown its GPU alone. It ends with the executor, after
`idle_seconds` without a task, or when the device is lost: the tasks then fail, Spark retries them, and the retry starts
a fresh host.
"""

import argparse
import faulthandler
import fcntl
import os
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from udfs.errors import ClaimlensError, first_line
from udfs.inference.host.connection import PeerGoneError, streams
from udfs.inference.host.health import answer_health
from udfs.inference.host.running import RunningProcess
from udfs.inference.host.wire import GREETING, Answer, Request
from udfs.inference.host.workload import Share, Workload, host_bytes
from udfs.inference.tasks import Task, task_named

if TYPE_CHECKING:
    from udfs.inference.engine import Engine
    from udfs.inference.host.model_cache import Residents

POLL_SECONDS = 1.0
SAID_AFTER_SECONDS = 0.1
SAID_AGAIN_SECONDS = 5.0
DEVICE_LOST = 75
"""Exit status after an error that poisons the process; EX_TEMPFAIL of sysexits.h: try again."""


@dataclass(frozen=True)
class Options:
    """What the host is told when it is started."""

    directory: Path
    idle_seconds: float
    cores: int
    parent: int | None
    """The process whose end ends the host; None: it lasts until it is idle."""
    address: str | None
    """The GPU that Spark has given it, for its name."""


class Host:
    """Serves tasks until there is no reason to go on."""

    def __init__(self, options: Options) -> None:
        self._options = options
        device = "" if options.address is None else f"[{options.address}]"
        self._name = f"{socket.gethostname()}{device}:{os.getpid()}"
        self._parent = None if options.parent is None else RunningProcess(options.parent)
        self._lock = threading.Lock()
        self._tasks = 0
        self._idle_since = time.monotonic()
        self._residents: Residents | None = None
        self._workload = Workload(host_bytes())

    def serve(self) -> None:
        """Accept tasks, each in a thread of its own, until the parent is gone or nobody has asked for long."""
        asked, tasks = (self._options.directory / name for name in ("health", "socket"))
        with _listening(asked) as questions, _listening(tasks) as listener:
            while not self._should_end():
                ready = select.select([listener, questions], [], [], POLL_SECONDS)[0]
                if questions in ready:
                    question = (questions.accept()[0], self._workload)
                    threading.Thread(target=answer_health, args=question, daemon=True).start()
                if listener in ready:
                    connection, _ = listener.accept()
                    with self._lock:
                        self._tasks += 1
                    threading.Thread(target=self._task, args=(connection,), daemon=True).start()
        if self._tasks:  # of a parent that is gone: nobody waits for what is still queued
            os._exit(0)

    def _should_end(self) -> bool:
        if self._parent is not None and not self._parent.is_running():
            return True
        with self._lock:
            return not self._tasks and time.monotonic() - self._idle_since > self._options.idle_seconds

    def _task(self, connection: socket.socket) -> None:
        try:
            with streams(connection) as (reading, writing):
                writing.write(GREETING)
                writing.flush()
                self._answer(reading, writing)
        except PeerGoneError:
            pass  # the task is gone: Spark killed it, or a speculative twin was faster
        except Exception:
            traceback.print_exc()
        finally:
            with self._lock:
                self._tasks -= 1
                self._idle_since = time.monotonic()

    def _answer(self, reading: BinaryIO, writing: BinaryIO) -> None:
        from udfs.inference.host.model_cache import refuse_another

        request = Request.receive(reading)
        try:
            with ExitStack() as held:
                with _said(writing, f"model {request.reference.name} loads"):
                    engine = held.enter_context(self._models().engine(request.reference, request.batch_size))
                refuse_another(engine, request)
                task = task_named(request.task)
                with _said(writing, "another task works alone"):
                    share = held.enter_context(self._workload.share(engine, task, alone=request.alone))
                Answer(window=engine.window, window_bytes=self._workload.share_bytes).send(writing)
                self._stream(share, task, reading, writing)
        except ClaimlensError as error:
            Answer(type(error).__name__, str(error)).send(writing)
        except PeerGoneError:
            raise
        except Exception as error:
            traceback.print_exc()
            try:
                said = f"{type(error).__name__}: {first_line(error)}"
                Answer("ModelError", f"model {request.reference.name} on {self._name}: {said}").send(writing)
            finally:
                self._end_if_lost(error)

    def _stream(self, share: Share, task: Task, reading: BinaryIO, writing: BinaryIO) -> None:
        """Rows in and results out at the same time (inference/stream.py)."""
        from udfs.inference.stream import stream

        with pa.ipc.open_stream(reading) as batches, pa.ipc.new_stream(writing, task.outputs) as results:
            for result in stream(share, task, share.taken(batches), self._name, lambda: self._gauges(share)):
                results.write_batch(result)
                writing.flush()
        Answer().send(writing)

    def _gauges(self, engine: "Engine") -> dict[str, float]:
        models = self._models()
        return {**engine.gauges(), "loads": models.loads, "resident_bytes": models.resident_bytes}

    def _models(self) -> "Residents":
        with self._lock:
            if self._residents is None:
                self._residents = _residents(self._options)
            return self._residents

    def _end_if_lost(self, error: BaseException) -> None:
        from udfs.inference.device_errors import is_device_lost

        if is_device_lost(error):
            sys.stderr.write(f"host {self._name} ends: the device is lost\n")
            sys.stderr.flush()
            os._exit(DEVICE_LOST)


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(128)
        yield listener
        path.unlink(missing_ok=True)


@contextmanager
def _said(writing: BinaryIO, waiting: str) -> Iterator[None]:
    """Tell the task what it waits for, again and again while it does."""
    done = threading.Event()

    def say() -> None:
        pause = SAID_AFTER_SECONDS
        with suppress(PeerGoneError):
            while not done.wait(pause):
                Answer(waiting=waiting).send(writing)
                pause = SAID_AGAIN_SECONDS

    saying = threading.Thread(target=say, daemon=True)
    saying.start()
    try:
        yield
    finally:
        done.set()
        saying.join()


def _residents(options: Options) -> "Residents":
    from udfs.inference.host.model_cache import Residents

    return Residents(options.cores)


def main(arguments: list[str] | None = None) -> int:
    """Run a host; a second one for the same directory ends at once."""
    parser = argparse.ArgumentParser(description="Holds the models for the tasks of one executor.")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--idle-seconds", type=float, required=True)
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--parent", type=int)
    parser.add_argument("--address")
    options = Options(**vars(parser.parse_args(arguments)))
    with (options.directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        faulthandler.enable()  # says in the log what has crashed the process
        Host(options).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
