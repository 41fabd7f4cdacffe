"""The report of a search."""

from dataclasses import dataclass

from jobs.job.report import Counts, Report
from jobs.retrieval.hits import SearchResult


@dataclass(frozen=True)
class SearchReport(Report):
    """The report of a search, with its result for the table and the page."""

    result: SearchResult | None = None


def report_of(result: SearchResult, run_id: str) -> SearchReport:
    """The result as a job's report, its hits as JSON values."""
    return SearchReport(
        "search",
        run_id,
        "done" if result.hits else "nothing_to_do",
        Counts(rows_in=len(result.hits), skipped=len(result.hits)),
        seconds=sum(result.seconds.values()),
        details={
            "query": result.query.as_dict(),
            "index": result.index,
            "model_key": result.model_key,
            "indexed": result.rows,
            "candidates": result.candidates,
            "timings": dict(result.seconds),
            "hits": [hit.as_dict() for hit in result.hits],
        },
        result=result,
    )
