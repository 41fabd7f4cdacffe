"""A report as a person reads it at a terminal."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.job.printable import printable
from jobs.job.progress import in_words
from jobs.job.report import Report
from jobs.steps.estimate.presentation import off_by_in_words, print_estimate

_STATUS_WORDS = {
    "done": "done",
    "nothing_to_do": "nothing to do",
    "dry_run": "would do",
    "skipped": "skipped",
    "failed": "failed",
}


def print_report(report: Report, console: Console) -> None:
    """Counts, failures by code, pace, and what is the job's own."""
    words = _STATUS_WORDS.get(report.status, report.status)
    colour = "red" if report.status == "failed" else "yellow" if report.counts.failed else "green"
    pace = f", {report.photos_per_second:,.1f} a second" if report.photos_per_second else ""
    heading = f"[bold]claimlens {_shown(report.job)}[/]: [{colour}]{_shown(words)}[/]"
    console.print(f"{heading} in {in_words(report.seconds)}{pace}")
    parts, plans = report.details.get("jobs"), report.details.get("plans")
    if isinstance(parts, list | tuple) and parts:
        console.print(_table_of_parts([part for part in parts if isinstance(part, Mapping)]))
    elif isinstance(plans, list | tuple) and plans:
        print_estimate(report.details, console)
        return
    else:
        counts = report.counts
        written = f"{counts.written:,} written, {counts.skipped:,} skipped, {counts.failed:,} failed"
        console.print(f"  {counts.rows_in:,} in: {written}")
        for code, number in sorted(counts.by_code.items(), key=lambda pair: -pair[1]):
            console.print(f"    {number:>8,}  {_shown(code)}")
    for key, value in report.details.items():
        if key not in {"jobs", "names"}:  # names were told as they were found
            _print_detail(key, value, console)


def _shown(text: str) -> str:
    """What may have come with the data, for rich: neither markup nor what a terminal obeys."""
    return escape(printable(text))


def _table_of_parts(parts: list[Mapping[str, object]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("  job")
    table.add_column("status")
    for heading in ("in", "written", "skipped", "failed", "seconds", "a second"):
        table.add_column(heading, justify="right")
    for part in parts:
        counts = part.get("counts")
        inner = counts if isinstance(counts, Mapping) else {}
        numbers = [_short(inner.get(key, 0)) for key in ("in", "written", "skipped", "failed")]
        status = _STATUS_WORDS.get(str(part.get("status")), str(part.get("status")))
        table.add_row(
            _shown(f"  {part.get('job')}"),
            _shown(status),
            *numbers,
            _short(part.get("seconds")),
            _short(part.get("photos_per_second")),
        )
    return table


def _print_detail(key: str, value: object, console: Console) -> None:
    label = _shown(key.replace("_", " "))
    if key == "estimate" and isinstance(value, Mapping):
        console.print(f"  {_shown(off_by_in_words(value['off_by']))}", highlight=False)
        return
    if isinstance(value, Mapping):
        shown = ", ".join(f"{inner} {_short(number)}" for inner, number in list(value.items())[:12])
    elif isinstance(value, list | tuple):
        if any(isinstance(entry, Mapping) for entry in value):
            return  # rows for programs: --json has them
        shown = ", ".join(_short(entry) for entry in value[:12])
    else:
        shown = _short(value)
    if shown:
        console.print(f"  [dim]{label}[/] {_shown(shown)}", soft_wrap=True, highlight=False)


def _short(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_short(inner)}" for key, inner in value.items()) + ")"
    return str(value)
