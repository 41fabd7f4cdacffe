"""The one report of a job: what went in, what came out, and why anything failed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from udfs import errors

NAMING = frozenset(
    {
        *("names", "failed_records", "doubtful_records", "problems", "files_without_column"),
        *("unmapped_severities", "query", "hits"),
    }
)
"""Keys of details, at any depth, under which claims, photos and files are named or people quoted."""


@dataclass(frozen=True)
class Counts:
    """Rows of one job. `rows_in` = written + skipped + failed, always."""

    rows_in: int = 0
    written: int = 0
    skipped: int = 0
    failed: int = 0
    by_code: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Counts") -> "Counts":
        codes = dict(self.by_code)
        for code, number in other.by_code.items():
            codes[code] = codes.get(code, 0) + number
        return Counts(
            self.rows_in + other.rows_in,
            self.written + other.written,
            self.skipped + other.skipped,
            self.failed + other.failed,
            codes,
        )

    @property
    def failure_rate(self) -> float:
        """Failed rows as a share of those that were worked on (skipped rows are not)."""
        worked = self.written + self.failed
        return self.failed / worked if worked else 0.0


@dataclass(frozen=True)
class Report:
    """What a job returns and prints with --json; what is `recorded` of it goes into job_runs and MLflow.

    `status` is done, nothing_to_do, dry_run, skipped or failed. `seconds` is wall time. `versions_in` and
    `versions_out` map table names to Delta versions. `details` holds what is the job's own (JSON values only).
    """

    job: str
    run_id: str
    status: str
    counts: Counts
    seconds: float = 0.0
    versions_in: Mapping[str, int] = field(default_factory=dict)
    versions_out: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def photos_per_second(self) -> float:
        """Rows worked on per second of wall time."""
        worked = self.counts.written + self.counts.failed
        return round(worked / self.seconds, 2) if self.seconds > 0 else 0.0

    def recorded(self) -> "Report":
        """What of it goes into job_runs and MLflow, which outlive an erasure: counts, and nothing that names a claim, a
        photo or a file. The words of an error that nobody foresaw are left out too: they may quote rows."""
        return replace(self, details=_without_names(self.details))

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values, in the order in which a person reads it."""
        return {
            "job": self.job,
            "run_id": self.run_id,
            "status": self.status,
            "counts": {
                "in": self.counts.rows_in,
                "written": self.counts.written,
                "skipped": self.counts.skipped,
                "failed": self.counts.failed,
                "by_code": dict(self.counts.by_code),
            },
            "seconds": round(self.seconds, 3),
            "photos_per_second": self.photos_per_second,
            "versions_in": dict(self.versions_in),
            "versions_out": dict(self.versions_out),
            **dict(self.details),
        }


def _without_names(details: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: _unnamed(value) for key, value in details.items() if key not in NAMING}
    error = kept.get("error")
    if isinstance(error, Mapping) and not _is_foreseen(str(error.get("type"))):
        kept["error"] = {"type": error.get("type")}
    return kept


def _unnamed(value: object) -> object:
    if isinstance(value, Mapping):
        return _without_names(value)
    return [_unnamed(inner) for inner in value] if isinstance(value, list | tuple) else value


def _is_foreseen(kind: str) -> bool:
    found = getattr(errors, kind, None)
    return isinstance(found, type) and issubclass(found, errors.ClaimlensError)
