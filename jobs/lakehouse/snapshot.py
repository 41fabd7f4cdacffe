"""The tables as they were when the report began, one version each; absent tables are empty."""

from typing import TYPE_CHECKING

from jobs.lakehouse.contracts import CONTRACTS
from jobs.lakehouse.tables import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Snapshot:
    """Reads tables at one version each. Creates nothing: a report on an empty place leaves it empty."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self.spark = lakehouse.spark
        self._lakehouse = lakehouse
        self.versions = {table: self._lakehouse.version(table) for table in CONTRACTS if self._lakehouse.exists(table)}

    def table(self, name: str) -> "DataFrame":
        """The table's rows, or no rows where the table is absent."""
        if name in self.versions:
            return self._lakehouse.read(name, self.versions[name])
        return self.spark.createDataFrame([], CONTRACTS[name].schema)

    def ids(self, ids: list[str], column: str = "photo_id") -> "DataFrame":
        """A bounded list of ids as a frame to join with."""
        return self.spark.createDataFrame([(value,) for value in ids], f"{column} STRING")
