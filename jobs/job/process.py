"""Which machine and which process a run belongs to: numbers of processes are given out again, names of machines too."""

import socket
import subprocess
from pathlib import Path


def machine_mark() -> str:
    """This machine, or this container: its name, its id, and which processes it can see."""
    parts = [socket.gethostname()]
    machine, processes = Path("/etc/machine-id"), Path("/proc/self/ns/pid")
    if machine.is_file():
        parts.append(machine.read_text(encoding="ascii").strip())
    if processes.is_symlink():
        parts.append(str(processes.readlink()))
    return " ".join(parts).replace("'", "")


def process_mark(number: int) -> str | None:
    """When the process was started, as text to compare with; None when there is no such process (any more)."""
    if not Path("/proc/self/stat").exists():
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(number)], capture_output=True, text=True, check=False)
        return shown.stdout.strip() or None
    try:
        status = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = status.rpartition(")")[2].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return None if state == "Z" else f"{boot} {fields[18]}"
