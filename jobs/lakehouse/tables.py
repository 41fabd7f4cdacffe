"""The tables in Delta, by catalog name or by path: created if absent, verified, migrated or refused."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from jobs.lakehouse.contracts import CONTRACTS, TableContract
from jobs.lakehouse.errors import table_is_absent
from jobs.lakehouse.places import located
from jobs.lakehouse.sql import identifier, literal
from udfs.errors import SettingsError, TableContractError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameReader, SparkSession

    from jobs.settings.sections import TableSettings

T = TypeVar("T")
VERSION_PROPERTY = "claimlens.contract"
FEED_COLUMNS = ("_change_type", "_commit_version", "_commit_timestamp")


class Lakehouse:
    """The tables of one place. Everything that reads or writes a table goes through here."""

    def __init__(self, spark: "SparkSession", settings: "TableSettings") -> None:
        if (settings.catalog is None) != (settings.schema_name is None):
            raise SettingsError(
                "tables.catalog and tables.schema_name belong together: set both, or neither and tables.root."
            )
        self.spark = spark
        self._settings = settings
        self._verified: set[str] = set()

    @property
    def staging(self) -> str:
        """Directory in which waves wait between inference and commit, each run's in one of its own."""
        return located(f"{self._settings.staging or f'{self._settings.root}/_staging'}/waves")

    @property
    def checkpoints(self) -> str:
        """Directory for the checkpoints of streams: beside the waves, so that no cleaning of these finds it."""
        return located(f"{self._settings.staging or self._settings.root}/_checkpoints")

    def path(self, table: str) -> str | None:
        """Where the table's files are, or None when a catalog decides that."""
        return None if self._settings.catalog else located(f"{self._settings.root}/{table}")

    def name(self, table: str) -> str:
        """The table's name in SQL, quoted."""
        path = self.path(table)
        if path is not None:
            return f"delta.{identifier(path)}"
        return identifier(*self._schema, table)

    @property
    def _schema(self) -> tuple[str, str]:
        return self._settings.catalog or "", self._settings.schema_name or ""

    def exists(self, table: str) -> bool:
        """Whether the table is there, whatever its contract."""
        return table in self._verified or self._detail(table) is not None

    def ensure(self, *tables: str) -> None:
        """Create what is absent, migrate what is older, and verify the rest: for whoever is about to write.

        Raises:
            TableContractError: a table has another contract or schema, and no migration leads here; it is untouched.
        """
        self._each(tables, self._ensure)

    def _ensure(self, table: str) -> None:
        if table not in self._verified:
            detail = self._detail(table)
            if detail is None:
                self._create(CONTRACTS[table])
            else:
                detail = self._migrated(CONTRACTS[table], detail)
                self._verify(CONTRACTS[table], detail)
                self._renew_checks(CONTRACTS[table], detail)
            self._verified.add(table)

    def _each(self, tables: Sequence[str], ask: "Callable[[str], T]") -> "dict[str, T]":
        """Ask about every table, at the same time: each question waits for storage most of its time."""
        if len(tables) < 2:
            return {table: ask(table) for table in tables}
        with ThreadPoolExecutor(max_workers=len(tables)) as pool:
            return dict(zip(tables, pool.map(ask, tables), strict=True))

    def read(self, table: str, version: int | None = None) -> "DataFrame":
        """The table's rows, now or at a version; no rows where it is absent. Creates and alters nothing.

        Raises:
            TableContractError: the table has another contract or schema.
        """
        if not self._readable(table):
            return self.spark.createDataFrame([], CONTRACTS[table].schema)
        rows = self._load(self.spark.read.format("delta"), table, {} if version is None else {"versionAsOf": version})
        return rows.select(*CONTRACTS[table].names)  # whatever columns somebody has added

    def changes(self, table: str, since: int) -> "DataFrame | None":
        """Rows of the change feed of versions after `since`, with _change_type and _commit_version; None when none."""
        if self.version(table) <= since:
            return None
        options: dict[str, int | str] = {"readChangeFeed": "true", "startingVersion": since + 1}
        rows = self._load(self.spark.read.format("delta"), table, options)
        return rows.select(*CONTRACTS[table].names, *FEED_COLUMNS)

    def version(self, table: str) -> int:
        """The table's newest Delta version.

        Raises:
            TableContractError: the table is absent, or has another contract or schema.
        """
        row = None
        if self._readable(table):
            row = self.spark.sql(f"DESCRIBE HISTORY {self.name(table)} LIMIT 1").select("version").first()
        if row is None:
            raise TableContractError(f"There is no table {table} at {self.name(table)}; run claimlens ingest first.")
        return int(row["version"])

    def versions(self, *tables: str) -> dict[str, int]:
        """Newest Delta version of each table.

        Raises:
            TableContractError: a table is absent, or has another contract or schema.
        """
        return self._each(tables, self.version)

    def versions_there(self, *tables: str) -> dict[str, int]:
        """Newest Delta version of each of these tables that is there.

        Raises:
            TableContractError: a table has another contract or schema.
        """
        found = self._each(tables, lambda table: self.version(table) if self._readable(table) else None)
        return {table: version for table, version in found.items() if version is not None}

    def table_id(self, table: str) -> str:
        """Delta's own id of the table: another one means that it was dropped and made anew."""
        detail = self._detail(table)
        return str(detail["id"]) if detail else ""

    def table_ids(self, *tables: str) -> dict[str, str]:
        """Delta's own id of each table; empty where it is absent."""
        return self._each(tables, self.table_id)

    def _readable(self, table: str) -> bool:
        """Whether the table is there, and as its contract says."""
        if table not in self._verified:
            detail = self._detail(table)
            if detail is None:
                return False
            self._verify(CONTRACTS[table], detail)
            self._verified.add(table)
        return True

    def _load(self, reader: "DataFrameReader", table: str, options: dict[str, int | str]) -> "DataFrame":
        for key, value in options.items():
            reader = reader.option(key, value)
        path = self.path(table)
        return reader.table(self.name(table)) if path is None else reader.load(path)

    def _detail(self, table: str) -> dict[str, Any] | None:
        try:
            row = self.spark.sql(f"DESCRIBE DETAIL {self.name(table)}").first()
        except Exception as error:  # its type differs between the classic API and Spark Connect
            if table_is_absent(error):
                return None
            raise
        detail = row.asDict() if row is not None else None
        return detail if detail and detail.get("id") else None

    def _create(self, contract: TableContract) -> None:
        if self._settings.catalog:
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {identifier(*self._schema)}").collect()
        columns = ", ".join(
            f"{identifier(column.name)} {column.type} {'NOT NULL ' * column.required}COMMENT {literal(column.comment)}"
            for column in contract.columns
        )
        properties = {
            "delta.enableChangeDataFeed": "true",
            VERSION_PROPERTY: str(contract.version),
            **{f"delta.constraints.{name}": expression for name, expression in contract.checks},
        }
        listed = ", ".join(f"{literal(key)} = {literal(value)}" for key, value in properties.items())
        clustering = f" CLUSTER BY ({', '.join(contract.cluster_by)})" if contract.cluster_by else ""
        self.spark.sql(
            f"CREATE TABLE IF NOT EXISTS {self.name(contract.name)} ({columns}) USING DELTA "
            f"COMMENT {literal(contract.comment)}{clustering} TBLPROPERTIES ({listed})"
        ).collect()

    def _migrated(self, contract: TableContract, detail: dict[str, Any]) -> dict[str, Any]:
        """The table's detail once every step is gone that the contract knows; a killed one is finished by the next."""
        where, found = self.name(contract.name), (detail.get("properties") or {}).get(VERSION_PROPERTY)
        if found is None or not contract.migrates_from(int(found)):
            return detail
        for version in range(int(found), contract.version):
            contract.migrations[version](self.spark, where)
            self.spark.sql(f"ALTER TABLE {where} SET TBLPROPERTIES ('{VERSION_PROPERTY}' = '{version + 1}')").collect()
        return self._detail(contract.name) or {}

    def _renew_checks(self, contract: TableContract, detail: dict[str, Any]) -> None:
        """Put the contract's checks in the place of older ones: the closed list of error codes grows."""
        where, properties = self.name(contract.name), detail.get("properties") or {}
        for name, expression in contract.checks:
            held = properties.get(f"delta.constraints.{name}", "")
            if "".join(held.split()) != "".join(expression.split()):  # Delta spaces what was added later
                self.spark.sql(f"ALTER TABLE {where} DROP CONSTRAINT IF EXISTS {identifier(name)}").collect()
                self.spark.sql(f"ALTER TABLE {where} ADD CONSTRAINT {identifier(name)} CHECK ({expression})").collect()

    def _verify(self, contract: TableContract, detail: dict[str, Any]) -> None:
        found = (detail.get("properties") or {}).get(VERSION_PROPERTY)
        where = self.name(contract.name)
        if found is None:
            raise TableContractError(
                f"{where} was not made by claimlens (it has no property {VERSION_PROPERTY}); it was left untouched. "
                "Point tables.root, or tables.catalog and tables.schema_name, elsewhere."
            )
        if contract.migrates_from(int(found)):
            raise TableContractError(
                f"{where} has contract {found}, this claimlens reads contract {contract.version}; it was left "
                "untouched. Run claimlens run, or the job that writes the table: that migrates it."
            )
        if int(found) != contract.version:
            raise TableContractError(
                f"{where} has contract {found}, this claimlens writes contract {contract.version} and has no migration "
                "between them; it was left untouched. Use the claimlens that wrote it, or another tables.root."
            )
        schema = self._load(self.spark.read.format("delta"), contract.name, {}).schema
        present = {field.name: field.dataType.simpleString() for field in schema.fields}
        fault = schema_fault(contract, present, [field.name for field in schema.fields if not field.nullable])
        if fault:
            raise TableContractError(f"{where} {fault}; the table was left untouched.")


def schema_fault(contract: TableContract, present: Mapping[str, str], required: Collection[str]) -> str | None:
    """What keeps a table from being used under a contract; None where nothing does. Columns that somebody has added,
    and that may be null, are left alone.

    Args:
        contract: what its columns should be.
        present: type by column, as Spark writes them.
        required: the columns that may not be null.
    """
    for column in sorted(contract.columns, key=lambda column: column.name):
        found, wanted = present.get(column.name, "absent"), column.type.lower().replace(" ", "")
        if found != wanted:
            return (
                f"has another schema than contract {contract.version}: column {column.name} is {found}, "
                f"should be {wanted}"
            )
    added = sorted(set(required) - set(contract.names))
    if added:
        return (
            f"has a column {added[0]} that may not be null and that claimlens does not know, so that it can write no "
            f"row: ALTER TABLE ... ALTER COLUMN {added[0]} DROP NOT NULL"
        )
    return None
