"""One run: every chosen engine, set, encoder and track, then the profile and the rest, then table and picture."""

import datetime
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.benchmarks import environment
from tests.benchmarks.contract import Work
from tests.benchmarks.engines import engine as engine_named
from tests.benchmarks.figures import checks
from tests.benchmarks.models import TITLES, model_directory
from tests.benchmarks.processes import run_in_process
from tests.benchmarks.residency import TASKS, WAYS
from tests.benchmarks.results import Rates, Row, row_of
from tests.benchmarks.work_sets import SETS, first_rows, work_set

PHOTOS = {
    1: {("a", "mobilenet"): 384, ("a", "clip"): 128, ("b", "mobilenet"): 96, ("b", "clip"): 96},
    2: {("a", "mobilenet"): 1000, ("a", "clip"): 256, ("b", "mobilenet"): 384, ("b", "clip"): 256},
}
"""Photos a pass by track: some seconds for the fastest engine on two cores, half a minute for the slowest. With the
same kernel the engines are nearer to one another, and longer passes show what they cost per photo."""
MEMORY_PHOTOS = 1000
RESIDENCY_PHOTOS = {"a": 288, "b": 96}
OVERHEAD_PHOTOS = {("a", "mobilenet"): 4000, ("a", "clip"): 2000, ("b", "mobilenet"): 768, ("b", "clip"): 768}
"""Photos a pass beside the plain loop. The product infers 4,096 in a wave: starting a Spark job, a third of a second,
is little of that, and so it has to be here."""
PARTS_BY_CELL = ("overhead", "profile", "drift")
PARTS = (*PARTS_BY_CELL, "residency", "memory")
"""What is measured of ours beside the table; the command line's --again names these."""


@dataclass(frozen=True)
class Options:
    """What to run, and where to keep it."""

    directory: Path
    sets: tuple[str, ...]
    encoders: tuple[str, ...]
    tracks: tuple[int, ...]
    engines: tuple[str, ...]
    passes: int
    photos: Mapping[str, int | None]
    mobilenet: Path | None
    memory: int
    parts: tuple[str, ...]
    resume: bool

    def count(self, track: int, set_name: str, encoder: str) -> int:
        """Photos a pass."""
        return self.photos.get(set_name) or PHOTOS[track][set_name, encoder]


def run(options: Options) -> dict[str, Any]:
    """Everything that was asked for; what fails leaves its reason. Progress goes to standard output."""
    results: dict[str, Any] = {
        "machine": {
            "processor": environment.processor(),
            "cores": cores(),
            "memory_gb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9,
        },
        "versions": environment.versions(),
        "run": {"date": datetime.date.today().isoformat(), "passes": options.passes, "resumed": options.resume},
        "sets": {},
    }
    rows: list[Row] = []
    for set_name in options.sets:
        for encoder in options.encoders:
            known = _described(options, set_name, encoder)
            results["sets"][f"{set_name}-{encoder}"] = known
            if "failed" not in known["rates"]:
                rows += _rows(options, set_name, encoder, Rates(known["rates"]["forward"], known["rates"]["decode"]))
    results["rows"] = [row.as_json() for row in rows]
    for part in options.parts:
        results[part] = _part(options, part)
    results["checks"] = _checks(results)
    return results


def run_again(options: Options, results: dict[str, Any]) -> dict[str, Any]:
    """The results of an earlier run, with these parts of the chosen sets and encoders measured anew; they say so."""
    when = {"date": datetime.date.today().isoformat(), "processor": environment.processor()}
    for part in options.parts:
        anew = _part(options, part)
        results[part] = {**results.get(part, {}), **anew} if part in PARTS_BY_CELL else anew
        results["run"].setdefault("again", {})[part] = when
    results["checks"] = _checks(results)
    return results


def _checks(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [Row(**row) for row in results["rows"]]
    return [check.as_json() for check in checks(rows, results.get("overhead"), results.get("memory"))]


def _part(options: Options, part: str) -> Any:
    if part == "residency":
        return _residency(options)
    if part == "memory":
        return _memory(options)
    return {
        f"{set_name}-{encoder}": _extra(options, part, set_name, encoder)
        for set_name in options.sets
        for encoder in options.encoders
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def work_for(options: Options, engine: str, track: int, set_name: str, encoder: str, **changes: Any) -> Work:
    """The work of one cell; its photos and its model are made where they are missing."""
    count = changes.pop("photos", None) or options.count(track, set_name, encoder)
    photos = work_set(options.directory / "sets", set_name, count)
    model = model_directory(options.directory / "models", encoder, options.mobilenet)
    work = {
        "engine": engine,
        "track": track,
        "set": set_name,
        "encoder": encoder,
        "model": model,
        "photos": photos.resolve(),
        "first": first_rows(photos, 1).resolve(),
        "count": count,
        "passes": options.passes,
        "cores": cores(),
        "scratch": Path(),
        **changes,
    }
    named = Work(**work)
    return Work(**{**work, "scratch": (_cells(options) / f"scratch-{named.key}").resolve()})


def _cells(options: Options) -> Path:
    return options.directory / "cells"


def _described(options: Options, set_name: str, encoder: str) -> dict[str, Any]:
    work, kind = work_for(options, "rates", 1, set_name, encoder), SETS[set_name]
    rates = run_in_process("rates", work, _cells(options), resume=options.resume)
    speeds = "failed" if "failed" in rates else f"forward {rates['forward']:.1f}/s, decode {rates['decode']:.1f}/s"
    _say(f"set {set_name.upper()}, {encoder}: {work.count} photos; pure: {rates.get('failed', speeds)}")
    return {
        "title": TITLES[encoder],
        "width": kind.width,
        "height": kind.height,
        "photos": {track: options.count(track, set_name, encoder) for track in options.tracks},
        "mean_kb": sum(file.stat().st_size for file in work.files()) / work.count / 1e3,
        "rates": rates,
    }


def _rows(options: Options, set_name: str, encoder: str, rates: Rates) -> list[Row]:
    rows = []
    for track in options.tracks:
        for name in options.engines:
            engine, work = engine_named(name), work_for(options, name, track, set_name, encoder)
            refused = engine.refuses(work)
            measured = (
                {"failed": refused, "refused": True}
                if refused
                else run_in_process("engine", work, _cells(options), resume=options.resume)
            )
            if "failed" not in measured:
                measured["smallest_cosine"] = _smallest_cosine(options, work)
            row = row_of(
                measured,
                rates,
                engine=name,
                title=engine.title,
                track=track,
                set=set_name,
                encoder=encoder,
                photos=work.count,
            )
            _say(f"  {_line(row)}{' (from the run before)' if measured.get('resumed') else ''}")
            rows.append(row)
    return rows


def _line(row: Row) -> str:
    where = f"track {row.track}  {row.title:26}"
    if row.failed:
        return f"{where} {'' if row.refused else 'failed: '}{row.failed}"
    return (
        f"{where} {row.photos_per_second:7.1f} photos/s  {row.cpu_seconds:7.1f} CPU s per 1,000  "
        f"{row.peak_memory_mb:6.0f} MB  cold {row.cold_start_seconds:5.1f} s  {row.of_cores:4.2f} of the cores"
    )


def _smallest_cosine(options: Options, work: Work) -> float | None:
    """The smallest cosine between an engine's vectors and claimlens' of the same photos; None without the latter."""
    import numpy as np

    ours = _cells(options) / f"{replace(work, engine='claimlens').key}.npz"
    theirs = _cells(options) / f"{work.key}.npz"
    if work.engine == "claimlens" or not ours.is_file() or not theirs.is_file():
        return None
    with np.load(ours) as left, np.load(theirs) as right:
        cosines = [float(left[key] @ right[key]) for key in left.files if key in right.files]
    return min(cosines, default=None)


def _extra(options: Options, task: str, set_name: str, encoder: str) -> dict[str, Any]:
    track, photos = 1, None
    if task == "overhead":
        track, photos = 2, options.photos.get(set_name) or OVERHEAD_PHOTOS[set_name, encoder]
    work = work_for(options, task, track, set_name, encoder, photos=photos)
    result = run_in_process(task, work, _cells(options), resume=options.resume)
    _say(f"{task}, set {set_name.upper()}, {encoder}: {result.get('failed', 'done')}")
    return result


def _residency(options: Options) -> list[dict[str, Any]]:
    found, set_name = [], options.sets[0]
    photos = options.photos.get(set_name) or RESIDENCY_PHOTOS[set_name]
    for tasks in TASKS:
        for way in WAYS:
            work = work_for(
                options, "residency", 2, set_name, options.encoders[0], variant=f"{way}-{tasks}", photos=photos
            )
            measured = run_in_process("residency", work, _cells(options), resume=options.resume)
            measured.setdefault("without_vector", 0)
            cell: dict[str, Any] = {
                "engine": way,
                "title": way,
                "track": 2,
                "set": set_name,
                "encoder": work.encoder,
                "photos": photos,
            }
            row = row_of(measured, Rates(1.0, 1.0), **cell)
            found.append({"way": way, "tasks": tasks, **row.as_json()})
            speeds = f"{row.photos_per_second:.1f} photos/s, {row.peak_memory_mb:.0f} MB"
            _say(f"residency, {way}, {tasks} tasks: {row.failed or speeds}")
    return found


def _memory(options: Options) -> dict[str, Any]:
    work = work_for(options, "memory", 1, "a", options.encoders[0], photos=min(MEMORY_PHOTOS, options.memory))
    work = replace(work, count=options.memory)
    result = run_in_process("memory", work, _cells(options), resume=options.resume, limit=3600)
    grown = "" if "failed" in result else f"{result['first_mb']:.0f} to {result['last_mb']:.0f} MB"
    _say(f"memory over {options.memory} photos: {result.get('failed', grown)}")
    return result


def write_results(results: Mapping[str, Any], output: Path) -> None:
    """results.json, results.md and results.png in a directory."""
    from tests.benchmarks.plot import draw
    from tests.benchmarks.results import markdown

    output.mkdir(parents=True, exist_ok=True)
    (output / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (output / "results.md").write_text(markdown(results, "results.png") + "\n", encoding="utf-8")
    draw(results, output / "results.png")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program that is watched
