"""Cutting pending rows into waves that read no file twice: by when they arrived, as the tables' files are written."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Wave:
    """Rows that arrived from `first` to `last` (microseconds since the epoch, both included); of these, where one
    arrival alone is too large for a wave, the share `part` of `parts` by a hash of the key."""

    first: int
    last: int
    rows: int
    part: int = 0
    parts: int = 1


def plan_waves(arrivals: Sequence[tuple[int, int]], size: int) -> list[Wave]:
    """Cut arrivals into waves of about `size` rows, in order of time.

    Rows that one commit wrote have one arrival time, and files hold few of them, so that a table's own statistics tell
    which files a wave has to read. A hash of the key would have each wave read all of them.

    Args:
        arrivals: (microseconds since the epoch, rows that arrived then), each time once.
        size: rows per wave. A hash divides one arrival unevenly, so that a wave may have a few rows more.
    """
    waves: list[Wave] = []
    for time, rows in sorted(arrivals):
        parts = -(-rows // size)
        if parts > 1:
            share = -(-rows // parts)
            waves += [Wave(time, time, min(share, rows - part * share), part, parts) for part in range(parts)]
        elif waves and waves[-1].parts == 1 and waves[-1].rows + rows <= size:
            waves[-1] = Wave(waves[-1].first, time, waves[-1].rows + rows)
        elif rows:
            waves.append(Wave(time, time, rows))
    return waves
