"""The archive that spark-submit --py-files takes: the wheel without the demo, which no executor needs."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

LEFT_OUT = "demo/"


def build_archive(checkout: Path, archive: Path) -> None:
    """Build the wheel of a checkout and write what executors need of it to `archive`.

    Raises:
        subprocess.CalledProcessError: the wheel cannot be built.
    """
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(build, cwd=checkout, check=True, stdout=subprocess.DEVNULL)
        write_archive(next(Path(folder).glob("*.whl")), archive)


def write_archive(wheel: Path, archive: Path) -> None:
    """Copy a wheel without the demo; whoever reads sees the old archive or the new one."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_name(archive.name + ".unfinished")
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            if not entry.filename.startswith(LEFT_OUT):
                target.writestr(entry, source.read(entry))
    unfinished.replace(archive)


if __name__ == "__main__":
    build_archive(Path(__file__).resolve().parents[2], Path(sys.argv[1]))
