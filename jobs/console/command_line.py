"""The command line `claimlens <job>`: options in, one report out, exit 0 done, 1 failed, 2 wrong usage."""

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from udfs.errors import ClaimlensError, first_line

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.job.context import JobContext
    from jobs.job.report import Report

JOBS: dict[str, tuple[str, str]] = {
    "ingest": ("jobs.ingest", "Read new and changed photos and claim records."),
    "estimate": ("jobs.estimate", "Say how long embed will take and what it will cost, from a timed sample."),
    "embed": ("jobs.embed", "Turn photos and narratives into vectors."),
    "classify": ("jobs.classify", "Name the damage in each photo from its vector."),
    "assess": ("jobs.assess", "Compare what photos show with what was reported."),
    "sync-index": ("jobs.sync_index", "Bring the vector index in step with the tables."),
    "report": ("jobs.report", "Write the HTML report of everything so far."),
    "run": ("jobs.run", "Run the whole flow, from ingest to report."),
}
"""Command -> its module, which has run(context) -> Report, and its line in the help."""

Config = Annotated[
    str | None,
    typer.Option("--config", metavar="PLACE", help="demo, local, databricks, or a YAML file."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one setting, for example models.photo.batch_size=16."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print one JSON report on standard output.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback of an unexpected error.")]

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
        app(list(arguments), prog_name="claimlens")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def execute(
    job: str,
    *,
    config: str | None = None,
    overrides: Sequence[str] = (),
    dry_run: bool = False,
    json_output: bool = False,
    debug: bool = False,
    work: "Callable[[JobContext], Report] | None" = None,
    show: "Callable[[Report, Console], None] | None" = None,
) -> int:
    """Load the settings, run the job, print its report, and return the exit status.

    Args:
        job: a name of JOBS, or any name when `work` is given.
        config: place or YAML file; None takes the environment's, else local.
        overrides: `a.b=c` pairs.
        dry_run: say what would be done, change nothing.
        json_output: one JSON report on standard output instead of a summary.
        debug: print tracebacks of unexpected errors.
        work: what to run instead of the job module's `run`.
        show: how to print the report instead of the usual summary.
    """
    started = time.monotonic()
    try:
        with _standard_output_kept():
            report = _carry_out(job, config, overrides, dry_run, work)
    except KeyboardInterrupt:
        _complain(job, "interrupted. Run it again: it goes on where it stopped.")
        return 130
    except Exception as error:
        return _tell_failure(job, error, time.monotonic() - started, json_output=json_output, debug=debug)
    if json_output:
        _print_json(report.as_dict())
    else:
        _show_report(report, show)
    return 1 if report.status == "failed" else 0


def _carry_out(
    job: str,
    config: str | None,
    overrides: Sequence[str],
    dry_run: bool,
    work: "Callable[[JobContext], Report] | None",
) -> "Report":
    from jobs.job.context import JobContext
    from jobs.job.execution import execute as execute_tracked
    from jobs.job.progress import choose_progress
    from jobs.job.tracking import choose_tracker
    from jobs.settings.load import load_settings

    settings = load_settings(config, overrides)
    chosen: Callable[[JobContext], Report] = work or import_module(JOBS[job][0]).run
    context = JobContext.create(
        settings,
        dry_run=dry_run,
        progress=choose_progress(),
        tracker=choose_tracker(settings, job, dry_run=dry_run),
    )
    return execute_tracked(job, chosen, context)


def _tell_failure(job: str, error: Exception, seconds: float, *, json_output: bool, debug: bool) -> int:
    message = first_line(error)
    if isinstance(error, ClaimlensError):
        _complain(job, message)
        status = error.exit_code
    else:
        where = "traceback above" if debug else f"traceback in {_keep_traceback(job, error)}"
        if debug:
            traceback.print_exception(error, file=sys.stderr)
        _complain(job, f"unexpected {type(error).__name__}: {message}; {where}")
        status = 1
    if json_output:
        from jobs.job.execution import failed_report

        _print_json(failed_report(job, "", error, seconds).as_dict())
    return status


def _complain(job: str, message: str) -> None:
    typer.echo(f"claimlens {job}: {message}", err=True)


def _keep_traceback(job: str, error: Exception) -> Path:
    name = f"{job}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    text = "".join(traceback.format_exception(error))
    for folder in (Path(".claimlens/logs"), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        except OSError:
            continue
        return folder / name
    sys.stderr.write(text)
    return Path("standard error")


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, default=str))


def _show_report(report: "Report", show: "Callable[[Report, Console], None] | None") -> None:
    from rich.console import Console

    from jobs.console.presentation import print_report

    (show or print_report)(report, Console())


@contextmanager
def _standard_output_kept() -> Iterator[None]:
    """Standard output is for the report: what Java, workers and libraries print goes to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _add_job(job: str, line: str) -> None:
    @app.command(name=job, help=line)
    def command(
        config: Config = None,
        overrides: Overrides = None,
        dry_run: DryRun = False,
        json_output: JsonOutput = False,
        debug: Debug = False,
    ) -> None:
        raise typer.Exit(
            execute(
                job,
                config=config,
                overrides=overrides or (),
                dry_run=dry_run,
                json_output=json_output,
                debug=debug,
            )
        )


for _job, (_, _line) in JOBS.items():
    _add_job(_job, _line)


@app.command(name="search")
def search(  # noqa: PLR0917 - typer calls it by name
    sentence: Annotated[str | None, typer.Argument(help="What to look for, in words.")] = None,
    photo: Annotated[Path | None, typer.Option(help="A photo file: claims that look like it.")] = None,
    claim: Annotated[str | None, typer.Option(help="A claim id: claims like this one.")] = None,
    weight: Annotated[float, typer.Option(min=0, max=1, help="Share of the sentence against the photo.")] = 0.5,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FILTER", help="Filter, for example severity=severe; repeatable."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=1000, help="Number of hits.")] = None,
    entity: Annotated[str, typer.Option(help="What to find: photo or narrative.")] = "photo",
    include_self: Annotated[bool, typer.Option("--include-self", help="Let a claim find its own photos.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="PATH", help="Write a page with the photos.")] = None,
    config: Config = None,
    overrides: Overrides = None,
    dry_run: DryRun = False,
    json_output: JsonOutput = False,
    debug: Debug = False,
) -> None:
    """Find claims by a sentence, a photo, or a claim id."""

    def work(context: "JobContext") -> "Report":
        searching = import_module("jobs.search")
        query = searching.Query(
            sentence=sentence,
            photo=photo,
            claim_id=claim,
            weight=weight,
            where=tuple(where or ()),
            limit=limit or context.settings.search.limit,
            entity=entity,
            include_self=include_self,
        )
        report: Report = searching.run(context, query)
        if html is not None:
            html.parent.mkdir(parents=True, exist_ok=True)
            html.write_text(searching.render_page(report), encoding="utf-8")
            context.progress.say(f"page written: {html}")
        return report

    def show(report: "Report", console: "Console") -> None:
        import_module("jobs.search").render_table(report, console)

    status = execute(
        "search",
        config=config,
        overrides=overrides or (),
        dry_run=dry_run,
        json_output=json_output,
        debug=debug,
        work=work,
        show=show,
    )
    raise typer.Exit(status)


@app.command(name="demo-data")
def demo_data(
    config: Config = "demo",
    overrides: Overrides = None,
    dry_run: DryRun = False,
    json_output: JsonOutput = False,
    debug: Debug = False,
) -> None:
    """Render the demo's claims and photos only."""
    status = execute(
        "demo-data",
        config=config,
        overrides=overrides or (),
        dry_run=dry_run,
        json_output=json_output,
        debug=debug,
        work=import_module("jobs.demo_data").run,
    )
    raise typer.Exit(status)


@app.command(name="doctor")
def doctor(
    config: Config = None, overrides: Overrides = None, json_output: JsonOutput = False, debug: Debug = False
) -> None:
    """Check what is installed and stored; say how to mend it."""
    from jobs.console.doctor import STATES_TO_MEND, examine, print_checks
    from jobs.settings.load import load_settings

    try:
        with _standard_output_kept():
            checks = examine(load_settings(config, overrides or ()))
    except Exception as error:
        raise typer.Exit(_tell_failure("doctor", error, 0.0, json_output=json_output, debug=debug)) from None
    sound = not any(check.state in STATES_TO_MEND for check in checks)
    if json_output:
        _print_json(
            {
                "job": "doctor",
                "status": "done" if sound else "failed",
                "checks": [check.as_dict() for check in checks],
            }
        )
    else:
        from rich.console import Console

        print_checks(checks, Console())
    raise typer.Exit(0 if sound else 1)


if __name__ == "__main__":
    main()
