"""What of a run goes into MLflow: settings without their secrets, every number, the code's own commit."""

import json
import math
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.job.report import Report

if TYPE_CHECKING:
    from jobs.settings.sections import Settings, TableSettings

_SECRET = re.compile(r"(?i)secret|token|password|passwd|credential|account\.key|access.?key|api.?key")
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+@")
_MASK = "**********"
CHECKOUT = Path(__file__).parents[2]


def table_address(tables: "TableSettings", table: str) -> str:
    """Where a table is: catalog.schema.table, or its directory."""
    if tables.catalog:
        return f"{tables.catalog}.{tables.schema_name}.{table}"
    return f"{tables.root.rstrip('/')}/{table}"


def settings_parameters(settings: "Settings") -> dict[str, str]:
    """The settings as dotted keys and text, with every secret masked."""
    from jobs.settings.load import public_settings

    return dict(_flat_parameters(public_settings(settings), ()))


def report_metrics(report: Report) -> dict[str, float]:
    """Every number of a report: rows, codes, rates and the job's own, nested ones as name/inner."""
    counts = report.counts
    metrics: dict[str, float] = {
        "rows_in": counts.rows_in,
        "rows_written": counts.written,
        "rows_skipped": counts.skipped,
        "rows_failed": counts.failed,
        "seconds": report.seconds,
        "photos_per_second": report.photos_per_second,
    }
    metrics |= {f"failed/{code}": number for code, number in counts.by_code.items()}
    for key, value in _leaves(report.details, ()):
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            metrics.setdefault("/".join(key), float(value))
    return metrics


def text_details(report: Report) -> dict[str, str]:
    """The job's own short texts and flags, for tags."""
    leaves = _leaves(report.details, ())
    return {"/".join(key): str(value) for key, value in leaves if isinstance(value, str | bool) and value != ""}


def git_commit(checkout: Path = CHECKOUT) -> str | None:
    """Commit of claimlens' own checkout; None where it is installed, or lies in somebody else's."""
    if not checkout.is_dir():  # imported from an archive
        return None
    command = ["git", "rev-parse", "--show-toplevel", "HEAD"]
    try:
        answer = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode != 0:
        return None
    top, commit = answer.stdout.strip().rsplit("\n", 1)
    return commit if Path(top).resolve() == checkout.resolve() else None


def _flat_parameters(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        here = (*path, str(key))
        dotted = ".".join(here)
        if isinstance(value, Mapping):
            yield from _flat_parameters(value, here)
        elif value is not None and _SECRET.search(str(key)):
            yield dotted, _MASK
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            yield dotted, _USER_IN_ADDRESS.sub(f"{_MASK}@", text)


def _leaves(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value
