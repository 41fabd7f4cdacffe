"""How far an index has followed the tables: its row of index_state."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.index.protocol import Fingerprint
from jobs.index.rows import SOURCES
from jobs.lakehouse.contracts import INDEX_STATE, JOB_RUNS
from jobs.lakehouse.writes import upsert

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.lakehouse.tables import Lakehouse

DAMAGED = "damaged"
"""In the place of an unfinished run: a proof found that the index does not hold what the tables say."""


@dataclass(frozen=True)
class State:
    """What index_state remembers.

    `versions` and `table_ids` are those of the source tables, `index_version` what the store called its state then,
    `unfinished` the run that began to write after that and did not come to its end, `syncs` how many syncs ended since
    the contents were proved, those not counted that found nothing to do. `synced_at` is when it was written.
    """

    model_key: str
    versions: Mapping[str, int]
    table_ids: Mapping[str, str]
    head_key: str | None
    fingerprint: Fingerprint
    index_version: str | None = None
    unfinished: str | None = None
    syncs: int = 0
    synced_at: "datetime | None" = field(default=None, compare=False)


def read_state(lakehouse: "Lakehouse", location: str) -> State | None:
    """The state of the index at a location; None before its first sync. Creates nothing."""
    from pyspark.sql import functions as F

    row = lakehouse.read(INDEX_STATE.name).where(F.col("index_name") == location).first()
    if row is None:
        return None
    sources = json.loads(row["sources"])
    tables = {table: sources[table] for table in SOURCES if table in sources}
    return State(
        row["model_key"],
        {table: int(entry["version"]) for table, entry in tables.items()},
        {table: str(entry["id"]) for table, entry in tables.items()},
        sources.get("head_key"),
        Fingerprint(int(row["rows"]), int(row["checksum"], 16)),
        sources.get("index_version"),
        sources.get("unfinished"),
        int(sources.get("syncs", 0)),
        row["synced_at"],
    )


def quiet_syncs(lakehouse: "Lakehouse", location: str, state: State) -> int:
    """How many syncs have found nothing to do since the state was written; they write none, job_runs has them."""
    from pyspark.sql import functions as F

    runs = lakehouse.read(JOB_RUNS.name).where((F.col("job") == "sync-index") & (F.col("status") == "nothing_to_do"))
    since = runs.where(F.col("finished_at") > F.lit(state.synced_at))
    return int(since.where(F.get_json_object("report", "$.index") == location).count())


def write_state(lakehouse: "Lakehouse", location: str, state: State, now: "datetime", run_id: str) -> None:
    """Remember it."""
    from pyspark.sql import Row

    sources: dict[str, Any] = {
        table: {"id": state.table_ids[table], "version": version} for table, version in state.versions.items()
    }
    sources |= {
        "head_key": state.head_key,
        "index_version": state.index_version,
        "unfinished": state.unfinished,
        "syncs": state.syncs,
    }
    row = Row(
        index_name=location,
        model_key=state.model_key,
        sources=json.dumps(sources),
        rows=state.fingerprint.rows,
        checksum=f"{state.fingerprint.checksum:016x}",
        synced_at=now,
        run_id=run_id,
    )
    frame = lakehouse.spark.createDataFrame([row], INDEX_STATE.schema)
    upsert(lakehouse, frame, INDEX_STATE.name, compare=("sources", "rows", "checksum"))
