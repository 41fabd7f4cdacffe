"""What a contract is, and the columns and checks that several tables share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from jobs.lakehouse.sql import identifier, literal
from udfs.outcome import ERROR_CODES, STATUSES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Identified = Literal["claim", "policy", "vehicle", "photo", "passage", "entity", "file"]
"""Whom or what a column names: what an erasure looks for. `entity` is a photo or a passage, as the row's own column
entity says; a `file` is a path, in which a claim's number may stand."""


@dataclass(frozen=True)
class Column:
    """A column: its Spark SQL type, what it means, and whom or what it names."""

    name: str
    type: str
    comment: str
    required: bool = False
    identifies: Identified | None = None


Migration = Callable[["SparkSession", str], None]
"""Brings a table, named as in SQL, from one version to the next; the version itself is written afterwards, by the
caller. It must be safe to repeat: one that was killed half-way is run again from its beginning."""


def adding(*columns: Column) -> Migration:
    """The migration that gives a table columns, which are null in all rows that it has."""

    def add(spark: "SparkSession", table: str) -> None:
        there = set(spark.table(table).columns)
        missing = [column for column in columns if column.name not in there]
        if missing:
            listed = ", ".join(f"{column.name} {column.type} COMMENT {literal(column.comment)}" for column in missing)
            spark.sql(f"ALTER TABLE {table} ADD COLUMNS ({listed})").collect()

    return add


@dataclass(frozen=True)
class TableContract:
    """What a table promises. `version` is recorded in the table property claimlens.contract.

    A table of an older version is migrated by whoever writes it where `migrations` has the steps (from version ->
    migration), and otherwise refused. Whoever only reads refuses it too.
    """

    name: str
    version: int
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    cluster_by: tuple[str, ...] = ()
    checks: tuple[tuple[str, str], ...] = ()
    migrations: Mapping[int, Migration] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def schema(self) -> str:
        """The columns as a Spark DDL string, for DataFrame schemas."""
        return ", ".join(f"{identifier(column.name)} {column.type}" for column in self.columns)

    def migrates_from(self, version: int) -> bool:
        """Whether there are steps all the way from an older version to this one."""
        return version < self.version and all(step in self.migrations for step in range(version, self.version))


def _quoted(values: tuple[str, ...]) -> str:
    return ", ".join(map(literal, values))


STATUS_CHECK = ("status_known", f"status IN ({_quoted(STATUSES)})")
CODE_CHECK = (
    "code_known",
    f"(status = 'ok' AND error_code IS NULL) OR (status = 'failed' AND error_code IN ({_quoted(ERROR_CODES)}))",
)
PHOTO_ID_CHECK = ("photo_id_is_sha256", "photo_id RLIKE '^[0-9a-f]{64}$'")
OUTCOME = (
    Column("status", "STRING", "ok or failed", required=True),
    Column("error_code", "STRING", "Why it failed: a code of the closed list; null when ok"),
    Column("error_detail", "STRING", "One line more about the failure"),
)
RETRIES = (
    Column("attempts", "INT", "How many times it was tried and failed; null where it did not fail"),
    Column("retry_after", "TIMESTAMP", "When it may be tried again by itself; null where it is not"),
)
