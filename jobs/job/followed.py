"""Where work may wait since the last embed: ids that the change feeds of its tables name, and failures that are due.

A run that came to its end has worked off all that was pending at the versions that it read. What is pending now, or
stale, is among what those tables' feeds name since. Where they cannot tell (another table, a feed that was cleaned up,
too many changes, no report), everything is compared, as pending.py does.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.job.last_report import last_report
from jobs.job.pending import KEY, Pending, embeddable_photos, passages
from jobs.job.settled import COMPARE_EVERY, TABLE_IDS, UNCOMPARED
from jobs.lakehouse.contracts import EMBEDDINGS, PASSAGES, PHOTOS
from jobs.lakehouse.errors import in_words
from jobs.lakehouse.writes import stage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.lakehouse.snapshot import Snapshot

FEW = 100_000
"""Up to so many ids, some ten megabytes, travel to every task; more are found as fast by comparing everything."""
TOTALS = "totals"
"""Detail of a report: entity -> rows that there were."""


@dataclass(frozen=True)
class Base:
    """What the last run of embed has read, and how many rows of each entity that were."""

    run_id: str
    versions: Mapping[str, int]
    totals: Mapping[str, int]
    uncompared: int
    """How many runs in a row have relied on reports, with the one that relies on this."""


def last_run(context: JobContext, snapshot: "Snapshot", same: Mapping[str, Any]) -> Base | None:
    """The last embed that came to its end over these tables and the same details; None where there is none."""
    report = last_report(context, "embed", "done", "nothing_to_do")
    if report is None or TOTALS not in report or any(report.get(name) != value for name, value in same.items()):
        return None
    versions, uncompared = report["versions_in"], report.get(UNCOMPARED, 0) + 1
    older = any(version < versions.get(table, 0) for table, version in snapshot.versions.items())
    if older or uncompared >= COMPARE_EVERY or report.get(TABLE_IDS) != snapshot.table_ids:
        return None
    return Base(report["run_id"], versions, report[TOTALS], uncompared)


@contextmanager
def followed(
    context: JobContext, snapshot: "Snapshot", entities: Sequence[Pending], base: Base | None
) -> Iterator[list[Pending] | None]:
    """The entities with their totals, and the few ids among which something may wait; None where all is to be compared.

    The ids are staged until the block is left.
    """
    if base is None or not entities or base.totals.keys() != {rows.entity for rows in entities}:
        yield None
        return
    try:
        wave = stage(context.lakehouse, _named(snapshot, entities, base), context.run_id)
        changes = _changes_of_totals(snapshot, base)
    except Exception as error:  # its type differs between the classic API and Spark Connect
        # Whatever keeps a feed from being read (VACUUM, a log that was cleaned), comparing everything is right.
        context.progress.say(f"all ids are compared: the change feeds cannot be read: {in_words(error)}")
        yield None
        return
    with wave:
        if wave.rows > FEW:
            yield None
            return
        due = {row["entity"]: row["count"] for row in wave.frame.where("due").groupBy("entity").count().collect()}
        yield [
            replace(
                rows,
                total=base.totals[rows.entity] + changes.get(rows.entity, 0),
                retried=due.get(rows.entity, 0),
                among=wave.frame.where(f"entity = '{rows.entity}'").select(KEY) if wave.rows else None,
            )
            for rows in entities
        ]


def _named(snapshot: "Snapshot", entities: Sequence[Pending], base: Base) -> "DataFrame":
    """(entity, entity_id, due), once each, of everything that may be pending or stale."""
    from pyspark.sql import functions as F

    found, not_due = [], F.lit(False).alias("due")
    for rows in entities:
        table, column = (PHOTOS.name, "photo_id") if rows.entity == "photo" else (PASSAGES.name, "passage_id")
        feed = snapshot.changes(table, base.versions.get(table, -1))
        if feed is not None:
            found.append(feed.select(F.lit(rows.entity).alias("entity"), F.col(column).alias(KEY), not_due))
        due = rows.stored.where(F.col("due") & (F.col("model_key") == rows.model_key))
        found.append(due.select(F.lit(rows.entity).alias("entity"), KEY, "due"))
    vectors = snapshot.changes(EMBEDDINGS.name, base.versions.get(EMBEDDINGS.name, -1))
    if vectors is not None:
        # What that run wrote itself it found in these very tables.
        own = (F.col("run_id") == base.run_id) & (F.col("_change_type") == "insert")
        found.append(vectors.where(~own).select("entity", KEY, not_due))
    every = found[0]
    for more in found[1:]:
        every = every.union(more)
    return every.groupBy("entity", KEY).agg(F.bool_or("due").alias("due"))


def _changes_of_totals(snapshot: "Snapshot", base: Base) -> dict[str, int]:
    """Entity -> by how many rows there are more of it."""
    from pyspark.sql import functions as F

    came = F.col("_change_type").isin("insert", "update_postimage")
    counted = {}
    for entity, table, chosen in (("photo", PHOTOS.name, embeddable_photos), ("passage", PASSAGES.name, passages)):
        feed = snapshot.changes(table, base.versions.get(table, -1)) if entity in base.totals else None
        if feed is not None:
            signs = chosen(feed, "_change_type").select(F.when(came, 1).otherwise(-1).alias("sign"))
            counted[entity] = int(signs.agg(F.coalesce(F.sum("sign"), F.lit(0))).collect()[0][0])
    return counted
