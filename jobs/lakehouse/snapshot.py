"""Tables as they were at one moment: what a job reads, and what its report says that it read."""

from functools import cached_property
from typing import TYPE_CHECKING

from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.tables import Lakehouse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame


class Snapshot:
    """Reads tables at one version each. Creates nothing: a table that is absent has no rows and no version."""

    def __init__(self, lakehouse: Lakehouse, *tables: str, at: "Mapping[str, int] | None" = None) -> None:
        """Pin these tables, or without any all that there are; or go back to the versions `at`."""
        self.spark = lakehouse.spark
        self._lakehouse = lakehouse
        self.versions = lakehouse.versions_there(*(tables or CONTRACTS)) if at is None else dict(at)

    @cached_property
    def table_ids(self) -> dict[str, str]:
        """Delta's own id of each table, asked once: one that was made anew has another."""
        return self._lakehouse.table_ids(*self.versions)

    def read(self, name: str) -> "DataFrame":
        """The table's rows, or no rows where the table is absent."""
        if name not in self.versions:  # one that came into being since the pinning has no rows either
            return self.spark.createDataFrame([], CONTRACTS[name].schema)
        return self._lakehouse.read(name, self.versions[name])

    def changes(self, name: str, since: int) -> "DataFrame | None":
        """The table's change feed after the version `since`, up to the pinned one; None where there is nothing."""
        from pyspark.sql import functions as F

        pinned = self.versions.get(name, -1)
        feed = self._lakehouse.changes(name, since) if pinned > since else None
        return None if feed is None else feed.where(F.col("_commit_version") <= pinned)

    def ids(self, ids: list[str], column: str = "photo_id") -> "DataFrame":
        """A bounded list of ids as a frame to join with."""
        return self.spark.createDataFrame([(value,) for value in ids], f"{column} STRING")
