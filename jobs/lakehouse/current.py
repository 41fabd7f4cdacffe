"""The tables as far as their photos are still there: what a file held before it was replaced, moved or removed is
kept in the tables, and shown by nobody."""

from functools import cached_property
from typing import TYPE_CHECKING

from jobs.lakehouse.snapshot import Snapshot

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_PHOTO_COLUMN = {"photos": "photo_id", "damage_predictions": "photo_id", "embeddings": "entity_id"}


class CurrentPhotos(Snapshot):
    """A snapshot without the photos that no file holds any more, and without the versions of files that are gone."""

    def read(self, name: str) -> "DataFrame":
        """The table's rows that are of photos which are there, or of no photos."""
        from pyspark.sql import functions as F

        rows = super().read(name)
        if name == "photo_files":
            return rows.where(F.col("gone_at").isNull())
        column = _PHOTO_COLUMN.get(name)
        if column is None or not self._some_are_gone:
            return rows
        return rows.join(self._gone.withColumnRenamed("photo_id", column), column, "left_anti")

    @cached_property
    def _gone(self) -> "DataFrame":
        return gone_photos(super().read("photo_files"))

    @cached_property
    def _some_are_gone(self) -> bool:
        return not self._gone.isEmpty()


def gone_photos(files: "DataFrame") -> "DataFrame":
    """photo_id of each photo of which photo_files knows versions of files, and none that is there. The cost follows
    what is gone: where nothing is, the table's statistics say so."""
    from pyspark.sql import functions as F

    gone = files.where(F.col("gone_at").isNotNull()).select("photo_id").distinct()
    return gone.join(files.where(F.col("gone_at").isNull()).select("photo_id"), "photo_id", "left_anti")
