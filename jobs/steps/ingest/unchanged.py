"""What a run need not do again: its sources and tables are as the last complete run left them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.job.last_report import last_report
from jobs.steps.ingest.records import Source, listed

if TYPE_CHECKING:
    from jobs.settings.sections import Section


@dataclass(frozen=True)
class LastRun:
    """The report of the last ingest that came to its end. A lost one costs work, and no row."""

    report: Mapping[str, Any]

    def left(self, part: str, state: str | None, versions: Mapping[str, int]) -> dict[str, Any] | None:
        """What the report says of `part` (claims, links), if its source was in this state, and the tables in these
        versions when that run had ended; else None."""
        if state is None or self.report.get("sources", {}).get(part) != state:
            return None
        left = self.report.get("versions_out", {})
        same = all(left.get(table) == version for table, version in versions.items())
        return dict(self.report[part]) if same else None


def last_run(context: JobContext) -> LastRun:
    """The newest report of ingest in job_runs, or an empty one."""
    return LastRun(last_report(context, "ingest", "done", "nothing_to_do") or {})


def source_state(
    context: JobContext,
    settings: "Section",
    source: Source | None,
    *,
    place: str = "",
) -> str | None:
    """A hash of the settings, and of the names, times and lengths of the source's files; None when these do not tell.

    `place` is hashed along.
    """
    files: tuple[Any, ...] = ()
    if source is not None:
        found = _files(context, source) if source.kind != "delta" else None
        if found is None:
            return None
        files = found
    return hashlib.sha256(repr((settings, files, place)).encode()).hexdigest()[:16]


def _files(context: JobContext, source: Source) -> tuple[Any, ...] | None:
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    try:
        file = F.xxhash64("path", "modification_time", "length").alias("file")
        told = listed(context, source).select(file, "problem")
        counted = told.agg(F.count(F.lit(1)), F.bit_xor("file"), F.count("problem")).collect()[0]
    except PySparkException:
        return None  # whoever reads the source says what is wrong with it
    return tuple(counted) if counted[0] and not counted[2] else None
