"""What changed since the last sync, and how it gets into the index: cost follows the change, not the tables."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.index.protocol import Applied, IndexWriter
from jobs.index.rows import Pinned, changed_keys, changed_vectors, embedded, index_rows, label_rows
from jobs.index.schemas import KEY, VECTOR_HASH
from jobs.lakehouse.writes import Wave, stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.index.lease import Lease
    from jobs.job.context import JobContext


@dataclass(frozen=True)
class Changes:
    """What the change feeds tell, staged: the keys that they name, and the vectors that came."""

    keys: Wave
    vectors: Wave

    def __enter__(self) -> "Changes":
        return self

    def __exit__(self, *_: object) -> None:
        self.keys.discard()
        self.vectors.discard()


def changed(context: "JobContext", pinned: Pinned, since: "Mapping[str, int]") -> Changes:
    """What the change feeds tell since these versions; raises what Spark raises when a feed cannot be read."""
    keys = stage(context.lakehouse, changed_keys(pinned, since), context.run_id)
    try:
        return Changes(keys, stage(context.lakehouse, changed_vectors(pinned, since), context.run_id))
    except BaseException:
        keys.discard()
        raise


def follow(context: "JobContext", pinned: Pinned, writer: IndexWriter, lease: "Lease", changes: Changes) -> Applied:
    """Bring the named entities in step: rows whose vector came, rows whose columns changed, and rows that went."""
    keys, came = changes.keys, changes.vectors
    if not keys.rows:
        return Applied()
    names = list(KEY)
    with stage(context.lakehouse, label_rows(pinned, keys=keys.frame), context.run_id) as labels:
        with_vector = keys.frame.where("vector_changed")
        fresh = _joined(came.frame, labels.frame)
        # What the tables have no row for went; so did an entity whose vector went.
        gone = with_vector.select(*names).join(fresh.select(*names), names, "left_anti")
        gone = gone.union(keys.frame.select(*names).join(labels.frame.select(*names), names, "left_anti")).distinct()
        kept = labels.frame.join(keys.frame.where("NOT vector_changed").select(*names), names, "left_semi")
        lease.check()
        done = writer.apply(fresh, gone)
        lease.check()
        relabelled = writer.relabel(kept)
        done += relabelled
        if relabelled.missing:
            done += _late(context, pinned, writer, relabelled.missing)
    return done


def _late(context: "JobContext", pinned: Pinned, writer: IndexWriter, missing: tuple[tuple[str, str], ...]) -> Applied:
    """Entities that the index lacks although their vector is not new: a photo that came back. Most have no vector."""
    schema = "entity STRING, entity_id STRING"
    keys = context.spark.createDataFrame(list(missing), schema)
    there = embedded(pinned).select(*KEY).join(keys.hint("broadcast"), list(KEY), "left_semi").toArrow().to_pylist()
    if not there:
        return Applied()
    found = context.spark.createDataFrame([(row["entity"], row["entity_id"]) for row in there], schema)
    with stage(context.lakehouse, index_rows(pinned, keys=found), context.run_id) as rows:
        return writer.apply(rows.frame, context.spark.createDataFrame([], schema))


def _joined(vectors: "DataFrame", labels: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F

    hashed = vectors.select(*KEY, "vector", F.xxhash64(*KEY, "vector").alias(VECTOR_HASH))
    return hashed.join(labels, list(KEY))
