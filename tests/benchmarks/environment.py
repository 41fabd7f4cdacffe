"""What the benchmark runs on: the machine in words, the versions, and that no peer brought a copy of a package that
the project has."""

import importlib.metadata
import platform
import sys
from pathlib import Path

SHARED = ("numpy", "pandas", "pyarrow", "pillow", "pyspark", "torch", "transformers", "simplejpeg")
PEERS = ("daft", "ray", "pysail", "sentence-transformers", "torchvision")


def versions() -> dict[str, str]:
    """Versions of everything whose speed is measured."""
    found = {"python": platform.python_version()}
    for name in (*SHARED, *PEERS):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """The name that the processor gives itself."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def strangers(project: Path) -> list[str]:
    """Packages that the project has, but that are read from elsewhere."""
    home = project.resolve()
    elsewhere = []
    for name in SHARED:
        place = Path(str(importlib.metadata.distribution(name).locate_file(""))).resolve()
        if home not in place.parents:
            elsewhere.append(f"{name} from {place}")
    return elsewhere


def main() -> int:
    """Print where the shared packages come from; 1 where one of them is not the project's."""
    wrong = strangers(Path(sys.argv[1]))
    known = versions()
    sys.stderr.write("claimlens bench: " + ", ".join(f"{name} {version}" for name, version in known.items()) + "\n")
    for line in wrong:
        sys.stderr.write(f"claimlens bench: {line}: take it out of tests/benchmarks/constraints.txt\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
