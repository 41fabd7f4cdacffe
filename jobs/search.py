"""Search the index by a sentence, a photo, a claim, or a sentence with a photo. Needs no Spark."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.job.spec import Job

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.job.context import JobContext
    from jobs.job.report import Report
    from jobs.steps.search.report import SearchReport


def run(
    context: "JobContext",
    *,
    sentence: Annotated[str | None, typer.Argument(help="What to look for, in words.")] = None,
    photo: Annotated[Path | None, typer.Option(help="A photo file: claims that look like it.")] = None,
    claim: Annotated[str | None, typer.Option(help="A claim's number, or its beginning: claims like it.")] = None,
    weight: Annotated[float, typer.Option(min=0, max=1, help="Share of the sentence against the photo.")] = 0.5,
    where: Annotated[
        list[str] | None, typer.Option(metavar="FILTER", help="Filter, for example severity=severe; repeatable.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=1000, help="Number of hits.")] = None,
    entity: Annotated[str, typer.Option(help="What to find: photo or passage.")] = "photo",
    include_self: Annotated[bool, typer.Option("--include-self", help="Let a claim find its own photos.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="PATH", help="Write a page with the photos.")] = None,
) -> "SearchReport":
    """Answer a question; the report carries the hits as JSON values and, for page and table, the result itself.

    Raises:
        SettingsError: a file is named by an address in a store.
        ClaimlensError: the question, the index or the model is not what it should be; see Searcher.
    """
    from jobs.lakehouse.places import local_file
    from jobs.retrieval.question import Query
    from jobs.retrieval.searcher import Searcher
    from jobs.steps.search.photo_file import read_photo_file
    from jobs.steps.search.report import report_of

    query = Query(
        sentence=sentence,
        photo=None if photo is None else read_photo_file(local_file(str(photo), "--photo"), context.settings.ingest),
        photo_name=None if photo is None else photo.name,
        claim_id=claim,
        weight=weight,
        where=tuple(where or ()),
        limit=limit,
        entity=entity,
        include_self=include_self,
    )
    result = Searcher.open(context.settings, say=context.progress.say).search(query)
    if html is not None and not context.dry_run:
        from jobs.steps.search.page import render_page, write_page
        from jobs.steps.search.pictures import pictures_of

        pictures, remark = pictures_of(result, context.settings.tables)
        write_page(local_file(str(html), "--html"), render_page(result, pictures, remark))
        context.progress.say(f"page written: {html}")
    return report_of(result, context.run_id)


def show(report: "Report", console: "Console") -> None:
    """Print the hits as a table."""
    from jobs.steps.search.report import SearchReport
    from jobs.steps.search.table import render_table

    if isinstance(report, SearchReport) and report.result is not None:
        render_table(report.result, console)


JOB = Job("search", "Find claims by a sentence, a photo, or a claim id.", run, show)
