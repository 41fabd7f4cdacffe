"""Search the index by a sentence, a photo, a claim, or a sentence with a photo. Needs no Spark."""

import time

from jobs.index.filters import Filter, parse_filter
from jobs.job.context import JobContext
from jobs.job.report import Counts
from jobs.retrieval.find import search
from jobs.retrieval.question import Hit, Query, SearchReport, SearchResult
from jobs.steps.search.display import render_page, render_table

__all__ = [
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


def run(context: JobContext, query: Query) -> SearchReport:
    """Answer the query; the report carries the hits as JSON values and, for page and table, the result itself.

    Raises:
        ClaimlensError: see jobs.retrieval.find.search.
    """
    started = time.monotonic()
    result = search(context.settings, query)
    return SearchReport(
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
