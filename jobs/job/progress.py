"""Progress of long work on standard error: rows done, rows per second, failures, time left."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

from jobs.job.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichBars
    from rich.progress import TaskID


class Progress(Protocol):
    """What a job tells while it works; one piece of work at a time."""

    def start(self, label: str, total: int | None = None) -> None:
        """Begin a piece of work of `total` rows; None where the number is not known."""
        ...

    def advance(self, done: int, failed: int = 0) -> None:
        """`done` more rows are through; `failed` of these failed."""
        ...

    def finish(self) -> None:
        """The piece of work has ended."""
        ...

    def say(self, text: str) -> None:
        """One line that the user should read."""
        ...


class SilentProgress:
    """Says nothing; for tests and for callers that show their own progress."""

    def start(self, label: str, total: int | None = None) -> None:
        """Do nothing."""

    def advance(self, done: int, failed: int = 0) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""


class LineProgress:
    """Plain lines, at most one every `every` seconds: for logs, schedulers and pipes."""

    def __init__(
        self, stream: TextIO | None = None, every: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._every = every
        self._clock = clock
        self._label = ""
        self._total: int | None = None
        self._done = self._failed = 0
        self._started = self._told = 0.0

    def start(self, label: str, total: int | None = None) -> None:
        """Begin a piece of work and say how much it is."""
        self._label, self._total = label, total
        self._done = self._failed = 0
        self._started = self._told = self._clock()
        self.say(label if total is None else f"{label}: {total:,} to do")

    def advance(self, done: int, failed: int = 0) -> None:
        """Count, and say where the work stands if the last line is old enough."""
        self._done += done
        self._failed += failed
        now = self._clock()
        if now - self._told >= self._every:
            self._told = now
            self.say(self._line(now))

    def finish(self) -> None:
        """Say what the whole piece of work came to."""
        if self._label and self._done:
            self.say(self._line(self._clock()))
        self._label = ""

    def say(self, text: str) -> None:
        """Print one line."""
        print(printable(text), file=self._stream or sys.stderr, flush=True)

    def _line(self, now: float) -> str:
        return f"{self._label}: {describe(self._done, self._total, self._failed, now - self._started)}"


class BarProgress:
    """A bar that redraws itself, for a person at a terminal."""

    def __init__(self) -> None:
        self._bars: RichBars | None = None
        self._task: TaskID | None = None
        self._failed = self._done = 0
        self._started = 0.0

    def start(self, label: str, total: int | None = None) -> None:
        """Show a bar for this piece of work."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

        self.finish()
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            console=Console(stderr=True),
        )
        self._failed = self._done = 0
        self._started = time.monotonic()
        self._task = self._bars.add_task(label, total=total, pace="")
        self._bars.start()

    def advance(self, done: int, failed: int = 0) -> None:
        """Move the bar."""
        if self._bars is None or self._task is None:
            return
        self._done += done
        self._failed += failed
        total = self._bars.tasks[0].total
        elapsed = time.monotonic() - self._started
        pace = describe(self._done, None if total is None else int(total), self._failed, elapsed)
        self._bars.update(self._task, advance=done, pace=pace.partition(", ")[2])

    def finish(self) -> None:
        """Leave the bar as it stands."""
        if self._bars is not None:
            self._bars.stop()
        self._bars = self._task = None

    def say(self, text: str) -> None:
        """Print one line, above the bar if there is one."""
        if self._bars is not None:
            self._bars.console.print(printable(text), markup=False, highlight=False)
        else:
            print(printable(text), file=sys.stderr, flush=True)  # noqa: T201


def choose_progress(stream: TextIO | None = None) -> Progress:
    """Bars where standard error is a terminal, lines elsewhere."""
    target = stream or sys.stderr
    return BarProgress() if target.isatty() else LineProgress()


def describe(done: int, total: int | None, failed: int, seconds: float) -> str:
    """Where work stands, in words: `120 of 400, 24.0 a second, 3 failed, 12 s left`."""
    pace = done / seconds if seconds > 0 else 0.0
    parts = [f"{done:,}" if total is None else f"{done:,} of {total:,}", f"{pace:,.1f} a second"]
    if failed:
        parts.append(f"{failed:,} failed")
    if total is not None and pace > 0 and done < total:
        parts.append(f"{in_words((total - done) / pace)} left")
    return ", ".join(parts)


def in_words(seconds: float) -> str:
    """A duration as a person says it: 8 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
