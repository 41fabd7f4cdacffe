"""Search the index by a sentence, a photo, a claim, or a sentence with a photo. Needs no Spark."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.index.filters import Filter, parse_filter
from jobs.job.report import Counts
from jobs.job.spec import Job
from jobs.retrieval.find import search
from jobs.retrieval.question import Hit, Query, SearchReport, SearchResult
from jobs.steps.search.display import render_page, render_table

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.job.context import JobContext
    from jobs.job.report import Report

__all__ = [
    "JOB",
    "Filter",
    "Hit",
    "Query",
    "SearchReport",
    "SearchResult",
    "parse_filter",
    "render_page",
    "render_table",
    "run",
    "search",
]


def run(
    context: "JobContext",
    *,
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
) -> SearchReport:
    """Answer a question; the report carries the hits as JSON values and, for page and table, the result itself.

    Raises:
        ClaimlensError: see jobs.retrieval.find.search.
    """
    query = Query(sentence, photo, claim, weight, tuple(where or ()), limit, entity, include_self)
    started = time.monotonic()
    result = search(context.settings, query)
    report = SearchReport(
        "search",
        context.run_id,
        "done" if result.hits else "nothing_to_do",
        Counts(rows_in=len(result.hits), skipped=len(result.hits)),
        seconds=time.monotonic() - started,
        details={
            "query": query.as_dict(),
            "index": result.index,
            "model_key": result.model_key,
            "indexed": result.rows,
            "candidates": result.candidates,
            "timings": dict(result.seconds),
            "hits": [hit.as_dict() for hit in result.hits],
        },
        result=result,
    )
    if html is not None and not context.dry_run:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(render_page(report), encoding="utf-8")
        context.progress.say(f"page written: {html}")
    return report


def show(report: "Report", console: "Console") -> None:
    """Print the hits as a table."""
    if isinstance(report, SearchReport):
        render_table(report, console)


JOB = Job("search", "Find claims by a sentence, a photo, or a claim id.", run, show)
