"""The benchmark's command line: python -m tests.benchmarks, in the environment that set_up.sh makes."""

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.contract import TRACKS
from tests.benchmarks.engines import ENGINES
from tests.benchmarks.models import ENCODERS
from tests.benchmarks.ratios import ratio_table
from tests.benchmarks.results import markdown, put_between_markers
from tests.benchmarks.run import PARTS, Options, run, run_again, write_results
from tests.benchmarks.work_sets import SETS

MEMORY = 50_000
"""Photos over which the memory is watched."""


def main() -> int:
    """Run, write results.json, results.md and results.png, print the figures to reach."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is being measured ends too
    if arguments.redraw:
        results = _results_in(arguments.output)
    elif arguments.again:
        results = run_again(_options(arguments), _results_in(arguments.output))
    else:
        results = run(_options(arguments))
    write_results(results, arguments.output)
    if arguments.update:
        picture = os.path.relpath(arguments.output / "results.png", arguments.update.parent)
        put_between_markers(arguments.update, "bench", markdown(results, picture))
    if arguments.ratios:
        put_between_markers(arguments.ratios, "ratios", ratio_table(results))
    for check in results["checks"]:
        sys.stdout.write(check["text"] + "\n")
    sys.stdout.write(f"{arguments.output}/results.md, results.json, results.png\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--sets", nargs="+", choices=tuple(SETS), default=tuple(SETS))
    parser.add_argument("--encoders", nargs="+", choices=ENCODERS, default=ENCODERS)
    parser.add_argument("--tracks", nargs="+", type=int, choices=tuple(TRACKS), default=tuple(TRACKS))
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--photos-a", type=int, help="photos of set A a pass; by default as suits the encoder")
    parser.add_argument("--photos-b", type=int, help="the same for set B")
    parser.add_argument("--mobilenet", type=Path, help="a directory with MobileNet; default: the shared one, or random")
    parser.add_argument("--memory", type=int, nargs="?", const=MEMORY, default=0, metavar="PHOTOS")
    parser.add_argument("--residency", action="store_true", help="one process for the model against one per worker")
    parser.add_argument("--no-profile", action="store_true", help="leave out overhead, stages and drift of ours")
    parser.add_argument("--directory", type=Path, default=Path(".claimlens/bench"), help="photos, models and cells")
    parser.add_argument("--output", type=Path, default=Path(".claimlens/bench/results"))
    parser.add_argument("--update", type=Path, metavar="PAGE.md", help="put all tables between its markers")
    parser.add_argument("--ratios", type=Path, metavar="README.md", help="put the table of ratios between its markers")
    parser.add_argument("--resume", action="store_true", help="take the cells that a run before has finished")
    parser.add_argument("--again", nargs="+", choices=PARTS, default=(), help="measure these only, keep the rest")
    parser.add_argument("--redraw", action="store_true", help="only write table and picture of the results again")
    return parser


def _results_in(directory: Path) -> dict[str, Any]:
    kept = directory / "results.json"
    if not kept.is_file():
        sys.exit(f"{kept} is not there: --again and --redraw start from a run before; --output names its directory.")
    results: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return results


def _options(arguments: argparse.Namespace) -> Options:
    asked = {"residency": arguments.residency, "memory": bool(arguments.memory)}
    return Options(
        directory=arguments.directory,
        sets=tuple(arguments.sets),
        encoders=tuple(arguments.encoders),
        tracks=tuple(arguments.tracks),
        engines=tuple(
            name for name in ENGINES if name in arguments.engines
        ),  # ours first: vectors are compared with it
        passes=arguments.passes,
        photos={"a": arguments.photos_a, "b": arguments.photos_b},
        mobilenet=arguments.mobilenet,
        memory=arguments.memory or MEMORY,
        parts=tuple(arguments.again) or tuple(part for part in PARTS if asked.get(part, not arguments.no_profile)),
        resume=arguments.resume,
    )


if __name__ == "__main__":
    sys.exit(main())
