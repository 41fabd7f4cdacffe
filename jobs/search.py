"""Search the index by a sentence, a photo, a claim, or a sentence with a photo. Needs no Spark."""

import sys
import time
from collections.abc import Sequence

from jobs.runtime.context import JobContext
from jobs.runtime.entry import run_as_script
from jobs.runtime.report import Counts
from jobs.searching.display import render_page, render_table
from jobs.searching.filters import Filter, parse_filter
from jobs.searching.find import search
from jobs.searching.question import Hit, Query, SearchReport, SearchResult

__all__ = [
    "Filter",
    "Hit",
    "Query",
    "SearchReport",
    "SearchResult",
    "main",
    "parse_filter",
    "render_page",
    "render_table",
    "run",
    "search",
]


def run(context: JobContext, query: Query) -> SearchReport:
    """Answer the query; the report carries the hits as JSON values and, for page and table, the result itself.

    Raises:
        ClaimlensError: see jobs.searching.find.search.
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


def main(arguments: Sequence[str] | None = None) -> int:
    """The search as a script."""
    return run_as_script("search", arguments)


if __name__ == "__main__":
    sys.exit(main())
