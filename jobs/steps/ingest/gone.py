"""Files that are gone from their source, or came back: judged before anything is written, marked when all is read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import PHOTO_FILES
from jobs.lakehouse.snapshot import Snapshot
from jobs.lakehouse.writes import change
from jobs.steps.ingest.comparison import BACK, GONE, KEY
from jobs.steps.ingest.plan import Plan
from udfs.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Turned:
    """Versions of files whose place at the source has turned, and how many: another version is at the `replaced`
    paths, nothing at the `missing` ones, and at the `returned` ones a version that had been gone."""

    frame: "DataFrame"
    replaced: int = 0
    missing: int = 0
    returned: int = 0


def turned_files(context: JobContext, snapshot: Snapshot, plan: Plan) -> Turned:
    """What is gone and what is back; files in folders that could not be listed are neither.

    Raises:
        InputError: so much is gone at once that the source itself may be away.
    """
    from pyspark.sql import functions as F

    turned = plan.turned
    if plan.problems:
        frame = context.spark.createDataFrame([(path,) for path, _ in plan.problems], "place STRING")
        below = F.startswith("path", F.concat("place", F.lit("/"))) | (F.col("path") == F.col("place"))
        turned = turned.join(frame.hint("broadcast"), below, "left_anti")
    gone, back = turned.where(F.col("state") == GONE), turned.where(F.col("state") == BACK)
    # At a replaced path is a version that is known and there, or one that came back, or one that is to be read.
    there = snapshot.read(PHOTO_FILES.name).where("gone_at IS NULL").join(gone.select("path"), "path", "left_semi")
    there = there.select(*KEY).join(gone.select(*KEY), KEY, "left_anti").select("path")
    there = there.union(back.select("path")).union(plan.frame.select("path")).distinct()
    gone = gone.join(there.withColumn("there", F.lit(True)), "path", "left").withColumn(
        "there", F.expr("there IS TRUE")
    )
    rows = gone.unionByName(back.withColumn("there", F.lit(True))).select(*KEY, "state", "there")
    counted = {(row["state"], row["there"]): row["count"] for row in rows.groupBy("state", "there").count().collect()}
    missing = counted.get((GONE, False), 0)
    if context.settings.ingest.missing == "keep":
        rows, missing = rows.where("there"), 0
    _judge(context, missing, plan.known.there, plan.known.listed)
    return Turned(rows, counted.get((GONE, True), 0), missing, counted.get((BACK, True), 0))


def mark(context: JobContext, turned: Turned) -> None:
    """Write down since when the gone ones are gone, and that the others are there."""
    from pyspark.sql import functions as F

    if turned.replaced or turned.missing or turned.returned:
        since = F.when(F.col("state") == GONE, F.lit(context.clock()))
        change(context.lakehouse, turned.frame.withColumn("gone_at", since), PHOTO_FILES.name, ("gone_at",))


def _judge(context: JobContext, missing: int, known: int, listed: int) -> None:
    limits, settings = context.settings.limits, context.settings.ingest
    if not missing or limits.missing_rate >= 1:
        return
    many = known >= limits.failure_minimum and missing > limits.missing_rate * known
    if many or not listed:
        raise InputError(
            f"ingest.photos = {settings.photos}: {missing} of {known} known files are gone, more than "
            f"limits.missing_rate = {limits.missing_rate:g} allows; nothing was changed. If the source is only away, "
            "ingest when it is back; if they are gone for good, confirm that with limits.missing_rate=1, or keep their "
            "photos with ingest.missing=keep."
        )
