"""`claimlens doctor`: what this machine and this place have, what is missing, and how to mend it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobs.console import machine_checks, place_checks
from jobs.console.check import STATES_TO_MEND, Check, guarded
from jobs.console.failure import tell_failure
from jobs.console.streams import print_json, standard_output_kept
from jobs.job.context import JobContext
from jobs.job.printable import printable
from jobs.lakehouse.errors import in_words
from jobs.settings.load import load_settings
from jobs.settings.sections import Settings

if TYPE_CHECKING:
    from rich.console import Console

_COLOURS = {"ok": "green", "absent": "yellow", "advice": "yellow", "missing": "red", "wrong": "red"}


def run_doctor(config: str | None, overrides: Sequence[str] = (), *, json_output: bool, debug: bool) -> int:
    """The command: look at everything, print what was found, and return 0 where nothing is to be mended, else 1."""
    try:
        with standard_output_kept():
            checks = examine(load_settings(config, overrides))
    except Exception as error:
        return tell_failure("doctor", error, 0.0, json_output=json_output, debug=debug)
    sound = not any(check.state in STATES_TO_MEND for check in checks)
    if json_output:
        status = "done" if sound else "failed"
        print_json({"job": "doctor", "status": status, "checks": [check.as_dict() for check in checks]})
    else:
        from rich.console import Console

        print_checks(checks, Console())
    return 0 if sound else 1


def examine(settings: Settings) -> list[Check]:
    """Look at Java, Spark, Delta, torch, readers of photos, GPU, the index's folder, the model, tables and index.

    Nothing is fetched or created, and nothing stays written. What depends on something missing is not looked at.
    """
    context = JobContext.create(settings)
    checks = [
        machine_checks.python(),
        guarded("java", lambda: machine_checks.java(settings)),
        machine_checks.package("spark", "pyspark", "local"),
        guarded("delta", lambda: machine_checks.delta(settings)),
        machine_checks.package("torch", "torch", ""),
        guarded("photo formats", machine_checks.photo_formats),
        guarded("gpu", machine_checks.gpu),
        guarded("index folder", lambda: machine_checks.index_folder(settings)),
    ]
    model_key, model = place_checks.model(context)
    checks.append(model)
    if any(check.state in STATES_TO_MEND for check in checks if check.name in {"java", "spark", "delta"}):
        return [*checks, Check("tables", "absent", "not looked at: Spark cannot start")]
    try:
        context.lakehouse.exists("photos")
    except Exception as error:
        mend = "Read the line; spark.master, spark.remote and spark.config decide how Spark starts."
        return [*checks, Check("tables", "wrong", in_words(error), mend)]

    def configured(key: str) -> str | None:
        return context.spark.conf.get(key, None)

    checks.append(guarded("gpu amount", lambda: machine_checks.gpu_amount(configured)))
    checks.append(guarded("memory limits", lambda: machine_checks.memory_limits(configured)))
    checks += list(place_checks.tables(context))
    checks.append(guarded("index", lambda: place_checks.index(context, model_key)))
    return checks


def print_checks(checks: list[Check], console: "Console") -> None:
    """The checks line by line, and below them what to do. Long names and keys are left for the terminal to wrap."""
    from rich.markup import escape

    width = max(len(check.name) for check in checks)
    for check in checks:
        state = f"[{_COLOURS[check.state]}]{check.state:<7}[/]"
        console.print(
            f"{check.name:<{width}}  {state}  {escape(printable(check.found))}", soft_wrap=True, highlight=False
        )
    to_mend = [check for check in checks if check.mend]
    if to_mend:
        console.print()
    for check in to_mend:
        console.print(f"[bold]{check.name}[/]: {escape(printable(check.mend))}", soft_wrap=True, highlight=False)
    if not any(check.state in STATES_TO_MEND for check in checks):
        console.print("\nNothing that is needed is missing.")
