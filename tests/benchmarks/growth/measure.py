"""What each job takes on an archive of one size: built, with nothing to do, and after a hundred new photos."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from PIL import Image

from jobs.job.context import JobContext
from jobs.job.report import Report
from jobs.settings.load import load_settings
from tests.benchmarks.growth.rows import Archive, fill_tables, make_files

JOBS = ("ingest", "embed", "classify", "assess", "sync-index", "report")
CHANGED = 100
REPEATS = 3


@dataclass(frozen=True)
class Timing:
    """One run: `what` is built, nothing or changed."""

    photos: int
    job: str
    what: str
    status: str
    seconds: float


def measure(photos: int, directory: Path, say: Callable[[str], None], overrides: tuple[str, ...] = ()) -> list[Timing]:
    """Build an archive of so many photos under `directory`, and time the jobs on it, one session for all.

    Nothing to do is timed three times, and the shortest counts: what is asked is what the tables cost, and this machine
    has other work. The first runs, which assess all claims and build the index, are given as `built`.
    """
    archive = Archive(directory / f"photos-{photos}" / "files", photos)
    say(f"{photos:,} photos: files")
    make_files(archive)
    context = JobContext.create(load_settings("local", [*_place(directory / f"photos-{photos}"), *overrides]))
    say(f"{photos:,} photos: tables")
    fill_tables(context, archive, _jpeg(0))
    timings = []

    def timed(job: str, what: str) -> None:
        report, seconds = _run(context, job)
        timings.append(Timing(photos, job, what, report.status, round(seconds, 2)))
        say(f"{photos:,} photos: {job} {what}: {report.status} in {seconds:.1f} s")

    for job in ("assess", "sync-index"):
        timed(job, "built")
    for _ in range(REPEATS):
        for job in JOBS:
            timed(job, "nothing")
    for number in range(photos, photos + CHANGED):
        path = archive.path(number)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_jpeg(number))
    for job in JOBS:
        timed(job, "changed")
    context.spark.stop()
    return timings


def shortest(timings: list[Timing]) -> dict[tuple[str, str, int], float]:
    """(job, what, photos) -> the shortest of its runs, in seconds."""
    found: dict[tuple[str, str, int], float] = {}
    for timing in timings:
        key = (timing.job, timing.what, timing.photos)
        found[key] = min(found.get(key, timing.seconds), timing.seconds)
    return found


def _run(context: JobContext, job: str) -> tuple[Report, float]:
    run: Callable[[JobContext], Report] = import_module(f"jobs.{job.replace('-', '_')}").run
    began = time.monotonic()
    report = run(context.next_job())
    return report, time.monotonic() - began


def _place(folder: Path) -> list[str]:
    return [
        f"tables.root={folder}/lakehouse",
        f"index.root={folder}/index",
        f"report.output={folder}/report.html",
        f"ingest.photos={folder}/files",
        "tracking.enabled=false",
        "spark.driver_memory=4g",
    ]


def _jpeg(number: int) -> bytes:
    target = io.BytesIO()
    colour = (number % 251, number // 251 % 251, number // 63_001 % 251)
    Image.new("RGB", (64, 48), colour).save(target, "JPEG")
    return target.getvalue()
