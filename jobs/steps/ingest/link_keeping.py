"""Keeping claim_photos in step with its source: links that are new, that moved, and that ended; with their history."""

from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CLAIM_PHOTOS, ENDED_LINKS
from jobs.lakehouse.writes import append_once, change, delete_keys, stage
from jobs.steps.ingest.scope import covered
from udfs.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

KEY = list(CLAIM_PHOTOS.key)
PATTERN = "path_pattern"
"""What names a link that a path itself tells; it tells all links of the files that it covers."""
REPLACED, GONE, WITHDRAWN = "replaced", "gone", "withdrawn"


def brought_in_step(
    context: JobContext, named: "DataFrame | None", files: "DataFrame", named_by: str | None, *, complete: bool = True
) -> dict[str, int]:
    """Write the links that are named and missing, end those that are not true any more; says how many of each.

    Args:
        context: of the run.
        named: path, photo_id and claim_id of all that the source names now; None: it names nothing, as nothing is read.
        files: path and photo_id of all files there are at ingest.photos.
        named_by: PATTERN, or the metadata file.
        complete: whether `named` is all that the source names; else nothing is withdrawn that it does not speak of.

    Raises:
        InputError: the source named links before, and now so few of them that it may be incomplete.
    """
    from pyspark.sql import functions as F

    lakehouse = context.lakehouse
    stored = lakehouse.read(CLAIM_PHOTOS.name)
    rows = files.select("*", F.lit("").alias("claim_id")).limit(0) if named is None else named
    with stage(lakehouse, rows.select("path", *KEY), context.run_id) as wave:
        now = wave.frame.groupBy(*KEY).agg(F.min("path").alias("path"))
        there = files.select(F.col("path").alias("source_path"), F.col("photo_id").alias("held"))
        placed = stored.where(F.col("source_path").isNotNull())
        here = placed.where(covered(context.settings.ingest, "source_path")).join(there, "source_path", "left")
        paths = wave.frame.select(F.col("path").alias("source_path"), F.lit(True).alias("told")).distinct()
        here = here.join(paths, "source_path", "left")
        why = _why_it_ended(context, named_by, complete=complete)
        over = here.join(now, KEY, "left_anti").withColumn("reason", why).where("reason IS NOT NULL")
        new = now.join(stored, KEY, "left_anti").withColumn("source_path", F.col("path"))
        marks = {"first_seen": context.clock(), "run_id": context.run_id, "named_by": named_by}
        new = new.withColumns({name: F.lit(value) for name, value in marks.items()})
        with stage(lakehouse, over, context.run_id) as ended, stage(lakehouse, new, context.run_id) as added:
            if ended.rows:
                _judge(context, ended.frame, here, named_by)
                _end(context, ended.frame)
            written = append_once(lakehouse, added.frame, CLAIM_PHOTOS.name) if added.rows else 0
            if wave.rows > added.rows:
                _move(context, here, now, wave.frame, named_by)
            return {"written": written, "removed": ended.rows}


def _why_it_ended(context: JobContext, named_by: str | None, *, complete: bool) -> "Column":
    """The reason why a link that its source does not name is over, or null where it stays."""
    from pyspark.sql import functions as F

    # What another metadata file has named is for that file to withdraw, unless this one speaks of the same file.
    withdrawn = F.lit(False)
    if named_by is not None:
        withdrawn = F.col("told").isNotNull()
    if named_by is not None and complete:
        withdrawn |= F.col("named_by") == named_by
        withdrawn |= F.lit(named_by == PATTERN)
        withdrawn |= F.lit(context.settings.ingest.photos is not None) & (F.col("named_by") == PATTERN)
    reason = F.when(F.col("held").isNull(), GONE).when(F.col("held") != F.col("photo_id"), REPLACED)
    return reason.when(withdrawn, WITHDRAWN)


def _judge(context: JobContext, ended: "DataFrame", here: "DataFrame", named_by: str | None) -> None:
    """A list that was cut short looks like one of which nearly all was withdrawn."""
    from pyspark.sql import functions as F

    limits, path = context.settings.limits, context.settings.ingest.links.path
    if named_by is None or named_by == PATTERN or limits.missing_rate >= 1:
        return
    own = F.col("named_by") == named_by
    withdrawn = ended.where(own & (F.col("reason") == WITHDRAWN) & F.col("told").isNull()).count()
    before = here.where(own).count() if withdrawn else 0
    many = before >= limits.failure_minimum and withdrawn > limits.missing_rate * before
    if withdrawn and (many or withdrawn == before):
        raise InputError(
            f"ingest.links.path = {path}: {withdrawn} of {before} links that it named before are not in it, more than "
            f"limits.missing_rate = {limits.missing_rate:g} allows; no link was changed. Complete the file, or confirm "
            "that with limits.missing_rate=1."
        )


def _end(context: JobContext, ended: "DataFrame") -> None:
    """Write down what ends, then let it go: a crash between the two is repeated, and writes nothing twice."""
    from pyspark.sql import functions as F

    marked = ended.withColumns({"ended_at": F.lit(context.clock()), "run_id": F.lit(context.run_id)})
    append_once(context.lakehouse, marked, ENDED_LINKS.name)
    delete_keys(context.lakehouse, ended.select(*KEY), CLAIM_PHOTOS.name)


def _move(context: JobContext, here: "DataFrame", now: "DataFrame", named: "DataFrame", named_by: str | None) -> None:
    """Links that stay, of a file that is gone or that another source names now: the one that holds the photo, and the
    one that names it last."""
    from pyspark.sql import functions as F

    moved = F.col("held").isNull() | (F.col("held") != F.col("photo_id"))
    triples = named.select(*KEY, F.col("path").alias("source_path"), F.lit(True).alias("same"))
    rows = here.select(*KEY, "source_path", "named_by", moved.alias("moved")).join(now, KEY)
    rows = rows.join(triples, [*KEY, "source_path"], "left")
    other = F.col("same").isNotNull() & ~F.col("named_by").eqNullSafe(F.lit(named_by))
    rows = rows.where(F.col("moved") | other)
    rows = rows.select(
        *KEY,
        F.when(F.col("moved"), F.col("path")).otherwise(F.col("source_path")).alias("source_path"),
        F.lit(named_by).alias("named_by"),
    )
    with stage(context.lakehouse, rows, context.run_id) as wave:
        if wave.rows:
            change(context.lakehouse, wave.frame, CLAIM_PHOTOS.name, ("source_path", "named_by"))
