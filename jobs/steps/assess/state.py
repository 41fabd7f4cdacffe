"""How far the assessments of one classifier have followed the tables: what makes it safe to look at changes alone.

The assessments and the state are two commits, so the state is written last, and only by a run that still owns it: a
run writes its own id before it writes assessments, and one that finds another id there afterwards makes the state void.
Then the next run looks at every claim. Nothing that a killed or a second run does can leave a state that says too much.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.job.head import CurrentHead, of_head
from jobs.lakehouse.contracts import ASSESSMENT_STATE, CLAIM_ASSESSMENTS
from jobs.lakehouse.snapshot import Snapshot
from jobs.lakehouse.writes import upsert
from udfs.assessment import RULE, normalised_severity_map
from udfs.errors import ClaimlensError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

VOID = ""


@dataclass(frozen=True)
class State:
    """`sources` and `assessments` map tables to {id, version}: read, and written; no sources where it is void.

    `figures` are those of all assessments of the head; `writer` is the run that has begun to write and has not ended.
    """

    sources: Mapping[str, Mapping[str, Any]]
    assessments: Mapping[str, Any]
    rules: str
    figures: Mapping[str, Any]
    writer: str | None


def rules_of(severity_map: Mapping[str, str]) -> str:
    """Hash of what decides a verdict besides the tables: the rule's version and the severity map."""
    text = json.dumps([RULE, sorted(normalised_severity_map(severity_map).items())])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def places(context: JobContext, versions: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Tables with the id that Delta gave them and a version: a table that was made anew has another id."""
    ids = context.lakehouse.table_ids(*versions)
    return {table: {"id": ids[table], "version": version} for table, version in versions.items()}


def read_state(context: JobContext, head: CurrentHead) -> State | None:
    """The state of this head, or None where it has none, or a void one."""
    row = _row(context, head)
    if row is None or row["sources"] == VOID:
        return None
    return State(
        json.loads(row["sources"]),
        json.loads(row["assessments"]),
        row["rules"],
        json.loads(row["figures"]),
        row["writer"],
    )


def changes_since(
    context: JobContext, snapshot: Snapshot, head: CurrentHead, state: State | None
) -> "dict[str, DataFrame] | str":
    """The change feeds between the state and the snapshot; or, where they do not tell all, the reason why not."""
    if state is None:
        return "there is no earlier assessment to go on from"
    if state.rules != rules_of(context.settings.assess.severity_map):
        return "the severity map or the rule has changed"
    now = places(context, snapshot.versions)
    for table in sorted(now.keys() | state.sources.keys()):
        before, after = state.sources.get(table), now.get(table)
        if before is None or after is None or before["id"] != after["id"] or before["version"] > after["version"]:
            return f"the table {table} is another one than before"
    lakehouse = context.lakehouse
    if state.assessments["id"] != lakehouse.table_id(CLAIM_ASSESSMENTS.name):
        return "the table claim_assessments is another one than before"
    foreign = lakehouse.changes(CLAIM_ASSESSMENTS.name, state.assessments["version"])
    if foreign is not None and not of_head(foreign, head).isEmpty():
        return "something else has changed the assessments"
    feeds = {table: snapshot.changes(table, state.sources[table]["version"]) for table in snapshot.versions}
    return {table: feed for table, feed in feeds.items() if feed is not None}


def begin(context: JobContext, head: CurrentHead) -> None:
    """Say that this run is about to write."""
    row = _row(context, head)
    kept = {name: row[name] for name in ("sources", "assessments", "rules", "figures")} if row else {}
    _put(context, head, {"sources": VOID, "assessments": "{}", "rules": "", "figures": "{}", **kept}, context.run_id)


def check(context: JobContext, head: CurrentHead) -> None:
    """Stop before the first write where a later run has begun.

    Raises:
        ClaimlensError: another run has begun to write since.
    """
    row = _row(context, head)
    if row is None or row["writer"] != context.run_id:
        raise ClaimlensError(
            "Another assess of the same classifier began while this one was at work; this one wrote nothing. "
            "Run it again when the other has ended."
        )


def finish(context: JobContext, head: CurrentHead, snapshot: Snapshot, figures: Mapping[str, Any]) -> None:
    """Say what was read and written; where another run has begun meanwhile, that nothing is certain."""
    row = _row(context, head)
    if row is None or row["writer"] != context.run_id:
        _put(context, head, {"sources": VOID, "assessments": "{}", "rules": "", "figures": "{}"}, context.run_id)
        return
    written = places(context, context.lakehouse.versions(CLAIM_ASSESSMENTS.name))[CLAIM_ASSESSMENTS.name]
    values = {
        "sources": json.dumps(places(context, snapshot.versions)),
        "assessments": json.dumps(written),
        "rules": rules_of(context.settings.assess.severity_map),
        "figures": json.dumps(dict(figures)),
    }
    _put(context, head, values, None)


def _row(context: JobContext, head: CurrentHead) -> "Row | None":
    if not context.lakehouse.exists(ASSESSMENT_STATE.name):
        return None
    return of_head(context.lakehouse.read(ASSESSMENT_STATE.name), head).first()


def _put(context: JobContext, head: CurrentHead, values: Mapping[str, str], writer: str | None) -> None:
    row = {
        "model_key": head.model_key,
        "head_key": head.head_key,
        **values,
        "writer": writer,
        "updated_at": context.clock(),
        "run_id": context.run_id,
    }
    columns = [column.name for column in ASSESSMENT_STATE.columns]
    frame = context.spark.createDataFrame([tuple(row[name] for name in columns)], ASSESSMENT_STATE.schema)
    upsert(context.lakehouse, frame, ASSESSMENT_STATE.name, compare=(*values, "writer", "run_id"))
