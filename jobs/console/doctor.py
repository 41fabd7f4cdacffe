"""`claimlens doctor`: what this machine and this place have, what is missing, and how to mend it."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jobs.console.failure import tell_failure
from jobs.console.streams import print_json, standard_output_kept
from jobs.job.context import JobContext
from jobs.settings.load import load_settings
from jobs.settings.sections import Settings
from udfs.errors import ClaimlensError, first_line

if TYPE_CHECKING:
    from rich.console import Console

State = Literal["ok", "absent", "missing", "wrong"]
STATES_TO_MEND: frozenset[State] = frozenset({"missing", "wrong"})
"""States that keep jobs from running. `absent` is fine: no GPU, or a table that the next run makes."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: its state, what was found, and how to mend it (else empty)."""

    name: str
    state: State
    found: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """The check as JSON values."""
        return asdict(self)


def run_doctor(config: str | None, overrides: Sequence[str] = (), *, json_output: bool, debug: bool) -> int:
    """The command: look at everything, print what was found, and return 0 where nothing is to be mended, else 1."""
    try:
        with standard_output_kept():
            checks = examine(load_settings(config, overrides))
    except Exception as error:
        return tell_failure("doctor", error, 0.0, json_output=json_output, debug=debug)
    sound = not any(check.state in STATES_TO_MEND for check in checks)
    if json_output:
        status = "done" if sound else "failed"
        print_json({"job": "doctor", "status": status, "checks": [check.as_dict() for check in checks]})
    else:
        from rich.console import Console

        print_checks(checks, Console())
    return 0 if sound else 1


def examine(settings: Settings) -> list[Check]:
    """Look at Java, Spark, Delta, torch, the GPU, the tables, the model and the index, in this order.

    Nothing is written, fetched or created. What depends on something missing is not looked at.
    """
    context = JobContext.create(settings)
    checks = [_python(), _guarded("java", lambda: _java(settings)), _package("spark", "pyspark", "local")]
    checks += [
        _guarded("delta", lambda: _delta(settings)),
        _package("torch", "torch", ""),
        _guarded("gpu", _gpu),
    ]
    model_key, model = _model(settings)
    checks.append(model)
    if any(check.state in STATES_TO_MEND for check in checks if check.name in {"java", "spark", "delta"}):
        return [*checks, Check("tables", "absent", "not looked at: Spark cannot start")]
    try:
        context.lakehouse.exists("photos")
    except Exception as error:
        mend = "Read the line; spark.master, spark.remote and spark.config decide how Spark starts."
        return [*checks, Check("tables", "wrong", first_line(error), mend)]
    checks += list(_tables(context))
    checks.append(_guarded("index", lambda: _index(context, model_key)))
    return checks


def print_checks(checks: list[Check], console: "Console") -> None:
    """The checks as a table, and below it what to do."""
    from rich.markup import escape
    from rich.table import Table

    colours = {"ok": "green", "absent": "yellow", "missing": "red", "wrong": "red"}
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        colour = colours[check.state]
        table.add_row(check.name, f"[{colour}]{check.state}[/]", escape(check.found))
    console.print(table)
    to_mend = [check for check in checks if check.mend]
    if to_mend:
        console.print()
    for check in to_mend:
        console.print(f"[bold]{check.name}[/]: {escape(check.mend)}", highlight=False)
    if not any(check.state in STATES_TO_MEND for check in checks):
        console.print("\nNothing that is needed is missing.")


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except ClaimlensError as error:
        return Check(name, "missing", "not usable", first_line(error))
    except Exception as error:
        mend = "claimlens doctor --debug shows more."
        return Check(name, "wrong", f"{type(error).__name__}: {first_line(error)}", mend)


def _python() -> Check:
    return Check("python", "ok", f"{sys.version.split()[0]} at {sys.executable}")


def _package(name: str, package: str, extra: str) -> Check:
    try:
        return Check(name, "ok", f"{package} {version(package)}")
    except PackageNotFoundError:
        wanted = f"claimlens[{extra}]" if extra else "claimlens"
        return Check(name, "missing", f"{package} is not installed", f"pip install '{wanted}', or run make setup.")


def _java(settings: Settings) -> Check:
    from jobs.spark.session import java_version

    if _is_remote(settings):
        return Check("java", "ok", "not needed here: Spark runs elsewhere")
    return Check("java", "ok", f"version {java_version()}")


def _delta(settings: Settings) -> Check:
    from jobs.spark.delta_jars import delta_jars

    if _is_remote(settings):
        return Check("delta", "ok", "the jars are the cluster's own")
    jars = delta_jars(settings.spark, fetch=False)
    if not jars:
        found = f"{settings.spark.delta_package} is not in {settings.spark.jar_cache}"
        return Check("delta", "missing", found, "python -m jobs.spark.delta_jars fetches it once.")
    return Check("delta", "ok", f"{settings.spark.delta_package}, {len(jars)} jars cached")


def _is_remote(settings: Settings) -> bool:
    from os import environ

    remote = settings.spark.remote
    return "DATABRICKS_RUNTIME_VERSION" in environ or (remote is not None and not remote.startswith("local"))


def _gpu() -> Check:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return Check("gpu", "ok", ", ".join(names))
    if torch.backends.mps.is_available():
        return Check("gpu", "ok", "Apple GPU (mps)")
    return Check("gpu", "absent", "none that torch can use; models run on the CPU")


def _model(settings: Settings) -> tuple[str | None, Check]:
    from jobs.job.model import current_model

    name = settings.models.photo.name
    try:
        from udfs.models import load_encoder

        encoder = load_encoder(current_model(settings.models.photo).reference)
    except ClaimlensError as error:
        return None, Check("model", "missing", name, first_line(error))
    except Exception as error:
        mend = "Set models.photo.name to bundled:demo, a model directory, or a hub name with models.photo.revision."
        return None, Check("model", "wrong", f"{name}: {type(error).__name__}: {first_line(error)}", mend)
    text = "photos and text" if encoder.has_text else "photos only"
    found = f"{name}, key {encoder.model_key}, {encoder.dimension} dimensions, {text}"
    return encoder.model_key, Check("model", "ok", f"{found}, loaded in {encoder.load_seconds:.1f} s")


def _tables(context: JobContext) -> Iterator[Check]:
    from jobs.lakehouse.contracts import CONTRACTS

    for table, contract in CONTRACTS.items():
        yield _guarded(f"table {table}", partial(_table, context, table, contract.version))


def _table(context: JobContext, table: str, number: int) -> Check:
    name = f"table {table}"
    properties = _table_properties(context, table)
    if properties is None:
        return Check(name, "absent", "not there yet; the job that writes it makes it")
    found = properties.get("claimlens.contract")
    if found == str(number):
        return Check(name, "ok", f"contract {found}")
    if found is None:
        mend = "Point tables.root, or tables.catalog and tables.schema_name, elsewhere."
        return Check(name, "wrong", "a table that claimlens did not make", mend)
    mend = "The next job migrates it if it can, and otherwise says so and leaves it untouched."
    return Check(name, "wrong", f"contract {found}; this claimlens writes {number}", mend)


def _table_properties(context: JobContext, table: str) -> dict[str, str] | None:
    if not context.lakehouse.exists(table):
        return None
    row = context.spark.sql(f"DESCRIBE DETAIL {context.lakehouse.name(table)}").first()
    return dict(row["properties"] or {}) if row is not None else None


def _index(context: JobContext, model_key: str | None) -> Check:
    if model_key is None:
        return Check("index", "absent", "not looked at: the model's key is not known")
    if not context.lakehouse.exists("index_state"):
        return Check("index", "absent", "none yet; claimlens sync-index makes it")
    rows = context.lakehouse.read("index_state").where(f"model_key = '{model_key}'").collect()
    if not rows:
        return Check("index", "absent", f"none of model {model_key} yet; claimlens sync-index makes it")
    state = max(rows, key=lambda row: row["synced_at"])
    root = context.settings.index.root
    if "://" not in root and not (Path(root).expanduser() / model_key).exists():
        found = f"{state['rows']:,} rows were recorded, and {root}/{model_key} is not there"
        return Check("index", "missing", found, "claimlens sync-index builds it anew; or correct index.root.")
    behind = [
        f"{table} by {now - then}"
        for table, then in _followed(state["sources"]).items()
        if (now := context.lakehouse.version(table)) > then
    ]
    if behind:
        found = f"{state['rows']:,} rows, behind the tables: {', '.join(behind)} versions"
        return Check("index", "absent", found, "claimlens sync-index brings it in step.")
    return Check("index", "ok", f"{state['rows']:,} rows, in step with the tables")


def _followed(sources: str) -> dict[str, int]:
    return {table: int(place["version"]) for table, place in json.loads(sources).items()}
