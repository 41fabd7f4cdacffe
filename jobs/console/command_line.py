"""The command line `claimlens <job>`, made from the jobs' own specs: exit 0 done, 1 failed, 2 wrong usage."""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

import typer

from jobs import assess, classify, demo_data, embed, estimate, ingest, report, run, search, sync_index, verify
from jobs.job.spec import Job

_IN_ORDER = (ingest, estimate, embed, classify, assess, sync_index, verify, search, report, run, demo_data)
JOBS: dict[str, Job] = {module.JOB.name: module.JOB for module in _IN_ORDER}
"""Command -> its job, in the order of the flow."""


@dataclass(frozen=True)
class Shared:
    """The options that every command takes."""

    config: Annotated[
        str | None,
        typer.Option("--config", metavar="PLACE", help="demo, local, databricks, or a YAML file."),
    ] = None
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override one setting, for example models.photo.batch_size=16."
        ),
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")] = False
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON report on standard output.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an unexpected error.")] = False


SHARED = inspect.signature(Shared).parameters

app = typer.Typer(
    name="claimlens",
    help="Classify, embed, index and search insurance claim photos, on Spark.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich for the help would double the time it takes
)


def main() -> None:
    """Entry of the console script."""
    sys.exit(run_command_line(sys.argv[1:]))


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command as the shell would; returns 0 done, 1 failed, 2 wrong usage or settings."""
    try:
        app(with_values(arguments), prog_name="claimlens")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def with_values(arguments: Sequence[str]) -> list[str]:
    """The arguments with --retry-failed=all where that option stands alone: in typer an option has a value or none."""
    following = [*arguments, "-"][1:]
    alone = [one == "--retry-failed" and then.startswith("-") for one, then in zip(arguments, following, strict=True)]
    return [f"{one}=all" if bare else one for one, bare in zip(arguments, alone, strict=True)]


def add_command(
    name: str, line: str, options: Iterable[inspect.Parameter], call: Callable[[Shared, Mapping[str, Any]], int]
) -> None:
    """Give the command line one more command.

    Args:
        name: what is typed.
        line: what the help says of it.
        options: its own options, annotated for typer; the shared ones are added.
        call: takes the shared options and the values of its own, and returns the exit status.
    """

    def command(**values: object) -> None:
        shared = Shared(**cast("dict[str, Any]", {option: values.pop(option) for option in SHARED}))
        raise typer.Exit(call(shared, values))

    parameters = [*options, *(option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in SHARED.values())]
    command.__dict__["__signature__"] = inspect.Signature(parameters)  # typer reads both
    command.__annotations__ = {option.name: option.annotation for option in parameters}
    app.command(name=name, help=line)(command)


def own_options(job: Job) -> list[inspect.Parameter]:
    """The keyword-only parameters of the job's `run`."""
    parameters = inspect.signature(job.run).parameters.values()
    return [option for option in parameters if option.kind is inspect.Parameter.KEYWORD_ONLY]


def _add_job(name: str) -> None:
    def call(shared: Shared, options: Mapping[str, Any]) -> int:
        from jobs.console.run_job import run_job

        job = JOBS[name]
        return run_job(
            job,
            options,
            config=shared.config or job.place,
            overrides=shared.overrides or (),
            dry_run=shared.dry_run,
            json_output=shared.json_output,
            debug=shared.debug,
        )

    add_command(name, JOBS[name].line, own_options(JOBS[name]), call)


def _doctor(shared: Shared, _: Mapping[str, Any]) -> int:
    from jobs.console.doctor import run_doctor

    return run_doctor(shared.config, shared.overrides or (), json_output=shared.json_output, debug=shared.debug)


for _name in JOBS:
    _add_job(_name)
add_command("doctor", "Check what is installed and stored; say how to mend it.", (), _doctor)


if __name__ == "__main__":
    main()
