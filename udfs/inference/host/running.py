"""Whether another process still runs."""

import os
from pathlib import Path


class RunningProcess:
    """A process as it was when this was made: not another one that has got its number since, and not its remains."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._began = self._status()[1]

    def is_running(self) -> bool:
        """Whether it still runs; where the system does not say more, whether the number is still taken."""
        try:
            os.kill(self._number, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        state, began = self._status()
        return state not in {"Z", "X"} and began == self._began

    def _status(self) -> tuple[str, str]:
        """State and start of the process as Linux's /proc tells them (proc_pid_stat(5)); empty on other systems."""
        try:
            fields = Path(f"/proc/{self._number}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            return "", ""
        return fields[0], fields[19]
