"""How far off the last estimate was, once embed has done the work."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from jobs.job.context import JobContext
from jobs.job.durations import Measured, Portions, run_seconds

LONGEST_AGE = timedelta(days=7)
"""An older estimate was made for other work, or on another machine."""


def compare_with_estimate(
    context: JobContext, model_key: str, rows: Mapping[str, int], seconds: Mapping[str, float], machines: int = 1
) -> dict[str, Any] | None:
    """What the newest estimate for this model says about the work that was done, against what it took.

    The estimate is worked out anew for the rows, settings and machines of this run, so that only what it measured is
    judged. `off_by` is a signed share: 0.12 means that the work took 12 % longer than estimated.

    Args:
        model_key: of the vectors that were made.
        rows: entity -> rows that went through the model.
        seconds: entity -> wall seconds of its waves, from reading to commit.
        machines: hosts that took part.

    Returns:
        JSON values for the report's details, or None where nothing was done or no estimate is at hand.
    """
    found = _newest_estimate(context, model_key)
    if found is None:
        return None
    run_id, measured = found
    worked = {entity: number for entity, number in rows.items() if number and entity in measured.paces}
    settings = context.settings.embed
    portions = Portions(settings.partitions, settings.wave_photos)
    predicted = run_seconds(measured, worked, portions, machines)
    actual = sum(seconds.get(entity, 0.0) for entity in worked)
    if not predicted or not actual:
        return None
    return {
        "run_id": run_id,
        "predicted_seconds": round(predicted, 3),
        "actual_seconds": round(actual, 3),
        "off_by": round(actual / predicted - 1, 4),
    }


def _newest_estimate(context: JobContext, model_key: str) -> tuple[str, Measured] | None:
    from pyspark.sql import functions as F

    if not context.lakehouse.exists("job_runs"):
        return None
    made = context.lakehouse.read("job_runs").where(
        (F.col("job") == "estimate")
        & (F.col("status") == "done")
        & (F.col("finished_at") >= F.lit(context.clock() - LONGEST_AGE))
        & (F.get_json_object("report", "$.model_key") == model_key)
    )
    newest = made.orderBy(F.desc("finished_at")).first()
    if newest is None:
        return None
    return newest["run_id"], Measured.from_dict(json.loads(newest["report"])["measured"])
