"""What a tree of processes takes: CPU seconds and memory, read from Linux's /proc without a package.

Every engine has helpers (a JVM, Python workers, daemons), so a process alone says nothing. The root of a tree becomes
the reaper of its orphans: whatever it started stays below it.
"""

import ctypes
import itertools
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.contract import Pass

_TICKS = os.sysconf("SC_CLK_TCK")
_PR_SET_CHILD_SUBREAPER = 36
MEMORY_INTERVAL = 0.5
SHARE_OF_TIME = 0.02
"""Reading a large process's memory map takes milliseconds: no more than this share of one core goes into it."""


@dataclass(frozen=True)
class ProcessTimes:
    """One process: its parent, CPU seconds of its own and of its children that have ended, when it began (ticks)."""

    pid: int
    parent: int
    own: float
    ended_children: float


def adopt_orphans() -> None:
    """Make this process the parent of descendants whose own parent ends, so that they stay in its tree."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def parsed_stat(pid: int, text: str) -> ProcessTimes:
    """One /proc/PID/stat, see proc(5); the name in brackets may hold anything."""
    fields = text.rpartition(")")[2].split()
    user, system, children_user, children_system = (int(value) for value in fields[11:15])
    return ProcessTimes(pid, int(fields[1]), (user + system) / _TICKS, (children_user + children_system) / _TICKS)


def tree(root: int) -> list[ProcessTimes]:
    """The process and all below it, itself first; empty where there is none."""
    processes: dict[int, ProcessTimes] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                processes[int(entry.name)] = parsed_stat(int(entry.name), (entry / "stat").read_text())
            except (OSError, ValueError, IndexError):
                continue  # it ended meanwhile
    return below(root, processes)


def below(root: int, processes: dict[int, ProcessTimes]) -> list[ProcessTimes]:
    """The root and its descendants among these processes."""
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found, waiting = [], [root] if root in processes else []
    while waiting:
        pid = waiting.pop(0)
        found.append(processes[pid])
        waiting += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """CPU time of the tree so far, user and system, in steps of 10 ms; of processes that have ended too."""
    return sum(process.own + process.ended_children for process in tree(root))


def timed(one_pass: Pass, files: Sequence[Path], table: Path) -> dict[str, float]:
    """Wall and CPU seconds of one pass over the files into a table; the latter of this process and all below it."""
    cpu, wall = cpu_seconds(os.getpid()), time.perf_counter()
    one_pass(files, table)
    seconds = time.perf_counter() - wall
    return {"seconds": seconds, "cpu_seconds": cpu_seconds(os.getpid()) - cpu}


def memory_bytes(root: int) -> int:
    """Memory of the tree; pages that processes share are counted once (PSS), or as resident where that is hidden."""
    return sum(process_memory(process.pid) for process in tree(root))


def process_memory(pid: int) -> int:
    """Proportional share of one process in bytes; 0 where it has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resident_bytes(pid)


def resident_bytes(pid: int) -> int:
    """Resident memory of one process in bytes; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


class PeakMemory:
    """Samples the memory of a tree from outside of it, in a thread of the process that uses it as a context."""

    def __init__(self, root: int) -> None:
        self.bytes = 0
        self._root = root
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        pause = 0.0
        while not self._over.wait(pause):
            began = time.perf_counter()
            self.bytes = max(self.bytes, memory_bytes(self._root))
            pause = max(MEMORY_INTERVAL, (time.perf_counter() - began) / SHARE_OF_TIME)


class CpuCurve:
    """CPU seconds of this process's tree over time, for work whose borders are known only afterwards.

    Some engines let their workers go without waiting for them, and the kernel then forgets what these have used: what
    was seen of a process before it ended stays in the sum. The sampling itself is left out.
    """

    def __init__(self, interval: float = 0.25) -> None:
        self.points: list[tuple[float, float]] = []
        self._interval = interval
        self._before: dict[int, ProcessTimes] = {}
        self._lost = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "CpuCurve":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def at(self, moment: float) -> float:
        """CPU seconds at a moment of time.time(), between the samples in a straight line."""
        return interpolated(self.points, moment)

    def _sample(self) -> None:
        over = False
        while True:
            now = {process.pid: process for process in tree(os.getpid())}
            self._lost += lost_seconds(self._before, now)
            self._before = now
            total = sum(process.own + process.ended_children for process in now.values())
            self.points.append((time.time(), total + self._lost - time.thread_time()))
            if over:
                return
            over = self._over.wait(self._interval)


def lost_seconds(before: Mapping[int, ProcessTimes], now: Mapping[int, ProcessTimes]) -> float:
    """CPU seconds of processes that have ended between two looks at a tree, and that no parent has taken over."""
    ended = sum(process.own + process.ended_children for pid, process in before.items() if pid not in now)
    taken = sum(now[pid].ended_children - process.ended_children for pid, process in before.items() if pid in now)
    return max(0.0, ended - taken)


def interpolated(points: list[tuple[float, float]], moment: float) -> float:
    """The value at a moment on a line through sorted points; the first or last one outside of them."""
    if moment <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in itertools.pairwise(points):
        if moment <= right:
            return low + (high - low) * (moment - left) / (right - left) if right > left else high
    return points[-1][1]
