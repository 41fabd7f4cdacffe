"""Idempotent writes: a wave is staged, so that inference runs exactly once, and then committed by key."""

import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from jobs.lakehouse.contracts import CONTRACTS, TableContract
from jobs.lakehouse.errors import was_beaten
from jobs.lakehouse.places import remove_directory
from jobs.lakehouse.sql import identifier, insert_all, literal, update_all
from jobs.lakehouse.tables import Lakehouse
from udfs.outcome import ERROR_CODES

if TYPE_CHECKING:
    from types import TracebackType

    from pyspark.sql import Column, DataFrame, Row

T = TypeVar("T")
ATTEMPTS = 8
CLOCK_SKEW = timedelta(days=1)
"""By how much the clocks of two drivers that write the same table may differ."""
ROWS = "rows"
STAGED = "[0-9a-f]{32}"
"""Names of the directories that `stage` writes, in a run's own."""


@dataclass(frozen=True)
class Wave:
    """One staged portion of rows. Leave its `with` block, or call `discard`, to free the staging.

    `frame` reads the staged rows, extra columns included; `rows` of them were staged, `failed` of these by code.
    """

    frame: "DataFrame"
    path: str
    rows: int
    by_code: Mapping[str, int]

    @property
    def failed(self) -> int:
        """Rows whose status is failed."""
        return sum(self.by_code.values())

    def discard(self) -> None:
        """Remove the staged files."""
        remove_directory(self.path)

    def __enter__(self) -> "Wave":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.discard()


def stage(lakehouse: Lakehouse, frame: "DataFrame", run_id: str) -> Wave:
    """Run `frame` once and keep its rows as Parquet. Counts rows, and failures by code where it has a status, as they
    are written."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    path = f"{lakehouse.staging}/{run_id}/{uuid.uuid4().hex}"
    codes = ERROR_CODES if "error_code" in frame.columns else ()
    seen = Observation(uuid.uuid4().hex)
    counts = [F.count(F.lit(1)).alias(ROWS), *(F.count_if(F.col("error_code") == code).alias(code) for code in codes)]
    try:
        frame.observe(seen, *counts).write.parquet(path)
        found = seen.get
    except BaseException:
        remove_directory(path)
        raise
    staged = lakehouse.spark.read.schema(frame.schema).parquet(path)
    # Spark leaves nothing to observe in a plan that it sees to be empty.
    return Wave(staged, path, found.get(ROWS) or 0, {code: found[code] for code in codes if found.get(code)})


def append_new(lakehouse: Lakehouse, frame: "DataFrame", table: str) -> None:
    """Append rows whose key nobody else can have, such as a run's own id; far cheaper than asking first."""
    lakehouse.ensure(table)
    rows = frame.select(*(column.name for column in CONTRACTS[table].columns))
    path = lakehouse.path(table)
    writer = rows.write.format("delta").mode("append")
    if path is None:
        writer.saveAsTable(lakehouse.name(table))
    else:
        writer.save(path)


def append_once(
    lakehouse: Lakehouse,
    frame: "DataFrame",
    table: str,
    *,
    fixed: Mapping[str, str] = MappingProxyType({}),
    since: tuple[str, datetime] | None = None,
) -> int:
    """Insert the rows whose key the table does not hold yet; atomic, safe to repeat, safe beside another run.

    `frame` must be cheap to read twice: a staged wave or a plain query, never inference itself (Delta may read the
    source of a MERGE more than once). Columns beyond the contract's are left out.

    Args:
        fixed: key columns that have one value in all of `frame`, such as model_key: told as constants, they keep Delta
            from reading rows of other values, and from colliding with who writes those.
        since: the column that says when a row was written, and a moment at which the table was seen to hold none of
            these keys. Only rows written after it, by another run, can have them: Delta reads no older file, and a
            wave costs the same in a large table as in a small one. Clocks may differ by CLOCK_SKEW.

    Returns:
        The number of rows that were inserted.
    """
    known = _constants(fixed)
    if since is not None:
        column, moment = since
        micros = round((moment - CLOCK_SKEW).timestamp() * 1_000_000)
        known.append(f"target.{identifier(column)} >= timestamp_micros({micros})")
    insert = f"WHEN NOT MATCHED THEN {insert_all(CONTRACTS[table].names)}"
    result = _merge(lakehouse, frame, table, insert, known)
    return int(result["num_inserted_rows"])


def upsert(
    lakehouse: Lakehouse,
    frame: "DataFrame",
    table: str,
    *,
    compare: tuple[str, ...],
    fixed: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, int]:
    """Insert new keys and update those rows of which a `compare` column differs; `fixed` as for append_once.

    Returns:
        Rows inserted, rows updated; a repetition gives 0, 0 and commits nothing.
    """
    from pyspark.sql import functions as F

    lakehouse.ensure(table)
    names = [identifier(column) for column in compare]
    differs = " OR ".join(f"NOT (target.{name} <=> source.{name})" for name in names)
    key = CONTRACTS[table].key
    stored = lakehouse.read(table)
    for column, value in fixed.items():
        stored = stored.where(F.col(column) == value)
    stored = stored.select(*key, *compare).alias("target")
    same = " AND ".join(_equal(key))
    # Delta commits a version even for a MERGE that changes nothing.
    if frame.alias("source").join(stored, F.expr(f"{same} AND NOT ({differs})"), "left_anti").isEmpty():
        return 0, 0
    columns = CONTRACTS[table].names
    clauses = f"WHEN MATCHED AND ({differs}) THEN {update_all(columns)} WHEN NOT MATCHED THEN {insert_all(columns)}"
    result = _merge(lakehouse, frame, table, clauses, _constants(fixed))
    return int(result["num_inserted_rows"]), int(result["num_updated_rows"])


def change(lakehouse: Lakehouse, frame: "DataFrame", table: str, columns: Sequence[str]) -> int:
    """Give these columns, of the rows whose contract key is in `frame`, the values that they have there.

    Returns:
        The number of rows that were changed.
    """
    lakehouse.ensure(table)
    key = CONTRACTS[table].key
    joined = " AND ".join(_equal(key))
    values = ", ".join(f"{identifier(column)} = source.{identifier(column)}" for column in columns)
    statement = f"MERGE INTO {lakehouse.name(table)} target USING {{source}} source ON {joined} "
    rows = frame.select(*key, *columns).dropDuplicates(list(key))
    return int(_committed(lakehouse, f"{statement}WHEN MATCHED THEN UPDATE SET {values}", rows)["num_updated_rows"])


def delete_keys(lakehouse: Lakehouse, keys: "DataFrame", table: str) -> int:
    """Delete the rows whose key columns equal a row of `keys` (any subset of the table's columns).

    Returns:
        The number of rows that were deleted.
    """
    lakehouse.ensure(table)
    joined = " AND ".join(_equal(keys.columns))
    statement = (
        f"MERGE INTO {lakehouse.name(table)} target USING {{source}} source ON {joined} WHEN MATCHED THEN DELETE"
    )
    return int(_committed(lakehouse, statement, keys.dropDuplicates())["num_deleted_rows"])


def _merge(lakehouse: Lakehouse, frame: "DataFrame", table: str, clauses: str, known: Sequence[str] = ()) -> "Row":
    """MERGE by the contract's key; `known` are conditions that hold of every row of the table that can match."""
    lakehouse.ensure(table)
    contract = CONTRACTS[table]
    rows = frame.select(*_columns(frame, contract)).dropDuplicates(list(contract.key))
    joined = " AND ".join([*known, *_equal(contract.key)])
    statement = f"MERGE INTO {lakehouse.name(table)} target USING {{source}} source ON {joined} {clauses}"
    return _committed(lakehouse, statement, rows)


def _columns(frame: "DataFrame", contract: TableContract) -> "list[Column]":
    """The contract's columns; of those that may be null, the ones that `frame` lacks are null."""
    from pyspark.sql import functions as F

    return [
        F.lit(None).cast(column.type).alias(column.name)
        if column.name not in frame.columns and not column.required
        else F.col(column.name)
        for column in contract.columns
    ]


def _constants(fixed: Mapping[str, str]) -> list[str]:
    return [f"target.{identifier(column)} = {literal(value)}" for column, value in fixed.items()]


def _equal(columns: Iterable[str]) -> list[str]:
    return [f"target.{identifier(column)} = source.{identifier(column)}" for column in columns]


def _committed(lakehouse: Lakehouse, statement: str, source: "DataFrame") -> "Row":
    """Run a MERGE; Delta refuses to let two of them insert the same key."""
    return again_when_beaten(lambda: lakehouse.spark.sql(statement, source=source).collect()[0])


def again_when_beaten(commit: Callable[[], T]) -> T:
    """What `commit` gives, tried again while another writer of the same table is faster."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return commit()
        except Exception as error:  # its type differs between the classic API and Spark Connect
            if not was_beaten(error) or attempt == ATTEMPTS:
                raise
            time.sleep(random.uniform(0.1, 0.5) * attempt)
    raise AssertionError("unreachable")
