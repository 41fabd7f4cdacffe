"""How the jobs' cost grows with the archive: python -m tests.benchmarks.growth, each size in a process of its own."""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.growth.measure import JOBS, Timing, measure, shortest

WORDS = {"built": "first run, from nothing", "nothing": "nothing to do", "changed": "100 new photos"}


def main() -> int:
    """Measure, and write growth.json and growth.md; with one size, measure it and print its timings as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth", description=__doc__)
    parser.add_argument("--photos", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--directory", type=Path, default=Path(".claimlens/growth"), help="files and tables")
    parser.add_argument("--output", type=Path, default=Path(".claimlens/growth/results"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        timings = measure(arguments.photos[0], arguments.directory.absolute(), _say, tuple(arguments.set))
        sys.stdout.write(json.dumps([asdict(timing) for timing in timings]) + "\n")
        return 0
    arguments.output.mkdir(parents=True, exist_ok=True)
    kept = arguments.output / "growth.json"
    timings = [Timing(**values) for values in json.loads(kept.read_text("utf-8"))] if kept.is_file() else []
    for photos in arguments.photos:
        timings = [timing for timing in timings if timing.photos != photos] + _in_its_own_process(photos, arguments)
        kept.write_text(json.dumps([asdict(timing) for timing in timings], indent=1), encoding="utf-8")
        (arguments.output / "growth.md").write_text(table(timings), encoding="utf-8")
    sys.stdout.write(table(timings))
    return 0


def table(timings: list[Timing]) -> str:
    """The shortest seconds of each job by size, and the largest size against the smallest."""
    found = shortest(timings)
    sizes = sorted({timing.photos for timing in timings})
    lines = [
        "| job | what | " + " | ".join(f"{size:,} photos" for size in sizes) + " | largest / smallest |",
        "| --- | --- | " + " | ".join("---:" for _ in sizes) + " | ---: |",
    ]
    for what, words in WORDS.items():
        for job in JOBS:
            cells = [found.get((job, what, size)) for size in sizes]
            if any(cell is not None for cell in cells):
                ratio = f"{cells[-1] / cells[0]:.2f}" if cells[0] and cells[-1] else "-"
                shown = " | ".join("-" if cell is None else f"{cell:.1f} s" for cell in cells)
                lines.append(f"| {job} | {words} | {shown} | {ratio} |")
    return "\n".join(lines) + "\n"


def _in_its_own_process(photos: int, arguments: argparse.Namespace) -> list[Timing]:
    settings = [part for value in arguments.set for part in ("--set", value)]
    command = [sys.executable, "-m", "tests.benchmarks.growth", "--alone", "--photos", str(photos), *settings]
    done = subprocess.run(
        [*command, "--directory", str(arguments.directory)], stdout=subprocess.PIPE, text=True, check=True
    )
    return [Timing(**values) for values in json.loads(done.stdout.strip().splitlines()[-1])]


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
