"""What this place has: its model, its tables, its index."""

import json
from collections.abc import Iterator
from functools import partial

from jobs.console.check import Check, guarded
from jobs.job.context import JobContext
from udfs.errors import ClaimlensError, IndexDamagedError, InputError, first_line


def model(context: JobContext) -> tuple[str | None, Check]:
    """The photo model's key, None where it cannot be described, and the check. Nothing of it is loaded."""
    name = context.settings.models.photo.name
    try:
        current = context.model
    except ClaimlensError as error:
        return None, Check("model", "missing", name, first_line(error))
    except Exception as error:
        mend = "Set models.photo.name to bundled:demo, a model directory, or a hub name with models.photo.revision."
        return None, Check("model", "wrong", f"{name}: {type(error).__name__}: {first_line(error)}", mend)
    from udfs.inference.host.placement import gpu_count
    from udfs.models.transformers.precision import better_dtype

    text = "photos and text" if current.has_text else "photos only"
    found = f"{name}, key {current.model_key}, {current.dimension} dimensions, {text}, {current.reference.dtype}"
    better = better_dtype(current.reference, has_gpu=gpu_count() > 0)
    if better is not None:
        found += f"; {better} would run it about twice as fast here, under another key"
    return current.model_key, Check("model", "ok", found)


def tables(context: JobContext) -> Iterator[Check]:
    """Every table, absent or with its contract."""
    from jobs.lakehouse.contracts import CONTRACTS

    for table, contract in CONTRACTS.items():
        yield guarded(f"table {table}", partial(_table, context, table, contract.version))


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


def index(context: JobContext, model_key: str | None) -> Check:
    """The index of the current model, and how far it is behind the tables."""
    if model_key is None:
        return Check("index", "absent", "not looked at: the model's key is not known")
    if not context.lakehouse.exists("index_state"):
        return Check("index", "absent", "none yet; claimlens sync-index makes it")
    rows = context.lakehouse.read("index_state").where(f"model_key = '{model_key}'").collect()
    if not rows:
        return Check("index", "absent", f"none of model {model_key} yet; claimlens sync-index makes it")
    state = max(rows, key=lambda row: row["synced_at"])
    fault = _index_fault(context, model_key)
    if fault is not None:
        found = f"{state['rows']:,} rows were recorded: {fault}"
        return Check("index", "missing", found, "claimlens sync-index builds it anew; or correct index.root.")
    behind = [
        f"{table} by {now - then}"
        for table, then in followed(state["sources"]).items()
        if (now := context.lakehouse.version(table)) > then
    ]
    if behind:
        found = f"{state['rows']:,} rows, behind the tables: {', '.join(behind)} versions"
        return Check("index", "absent", found, "claimlens sync-index brings it in step.")
    return Check("index", "ok", f"{state['rows']:,} rows, in step with the tables")


def _index_fault(context: JobContext, model_key: str) -> str | None:
    """What is wrong with the index's files, as far as a look at them tells."""
    from jobs.index.opening import open_reader, open_writer

    try:
        open_reader(context.settings.index, model_key)
    except (InputError, IndexDamagedError) as error:
        return first_line(error)
    damage = open_writer(context.settings.index, model_key, context.model.dimension).damage()
    return None if damage is None else f"it is damaged: {damage}"


def followed(sources: str) -> dict[str, int]:
    """Table -> version that the index has followed, of the JSON in index_state, which holds other keys too."""
    return {
        table: int(place["version"])
        for table, place in json.loads(sources).items()
        if isinstance(place, dict) and "version" in place
    }
