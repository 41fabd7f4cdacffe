"""The source against the tables, in one join: what is new, gone, back or to be tried again, and what still fails."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.job.report import Counts
from jobs.job.retries import Retries
from jobs.lakehouse.contracts import PHOTO_FILES
from jobs.steps.ingest.readers import optional_readers
from jobs.steps.ingest.scope import covered
from udfs.functions.list_files import LEFT_OUT
from udfs.outcome import ERROR_CODES, DependsOn, ErrorCode, Status

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from jobs.lakehouse.snapshot import Snapshot
    from jobs.settings.sections import IngestSettings

KEY = list(PHOTO_FILES.key)
NEW, RETRY, GONE, BACK, PROBLEM = "new", "retry", "gone", "back", "problem"
UNDER = "failed_under"


@dataclass(frozen=True)
class Known:
    """Of the files that ingest.photos covers: how many the tables hold as being there, how many were listed, what of
    those that are known fails still by code, which run brought the last of them, and entries left out by kind."""

    there: int = 0
    present: int = 0
    listed: int = 0
    still: Mapping[str, int] = field(default_factory=dict)
    last_run: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)


def compared(
    snapshot: "Snapshot", files: "DataFrame", settings: "IngestSettings", retries: Retries
) -> "tuple[DataFrame, Callable[[], Known]]":
    """Where source and tables differ, and what else the comparison has seen, once it has run.

    Args:
        snapshot: pins photo_files and photos.
        files: path, modification_time, length, problem.
        settings: what the source is.
        retries: what is tried again.

    Returns:
        Rows of path, micros, length, state (NEW, RETRY, GONE, BACK or PROBLEM), problem, failed_as, tried, was_gone.
    """
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    known = snapshot.read(PHOTO_FILES.name).where(covered(settings))
    known = known.select(
        *KEY,
        "photo_id",
        "attempts",
        "retry_after",
        UNDER,
        "gone_at",
        "first_seen",
        "run_id",
        F.lit(True).alias("known"),
    )
    both = files.withColumn("found", F.lit(True)).join(known, KEY, "full_outer")
    both = both.withColumn("micros", F.unix_micros("modification_time"))
    both = both.withColumns({"known": F.col("known").isNotNull(), "found": F.col("found").isNotNull()})
    failed = snapshot.read("photos").where(F.col("status") == str(Status.FAILED))
    failed = failed.select(F.col("photo_id").alias("failed_as"), "error_code", "original_format")
    if failed.isEmpty():
        nothing = F.lit(None).cast("string")
        both = both.withColumns(dict.fromkeys(failed.columns, nothing))
    else:
        # The photo of a file that is not known yet is the one that stood for it, where a killed run has left that.
        both = both.withColumn("candidate", F.coalesce("photo_id", stand_in(F.col("micros"))))
        both = both.join(failed, F.col("candidate") == F.col("failed_as"), "left")
    listed = F.col("found") & F.col("problem").isNull()
    present = listed & F.col("known")
    due = F.coalesce(retries.due() | _due_by_settings(settings), F.lit(False))
    state = F.when(F.col("problem").isNotNull(), PROBLEM).when(~F.col("known"), NEW)
    state = state.when(~F.col("found"), F.when(F.col("gone_at").isNull(), GONE))
    state = state.when(due & F.col("failed_as").isNotNull(), RETRY).when(F.col("gone_at").isNotNull(), BACK)
    both = both.withColumns({"state": state, "was_gone": F.col("found") & F.col("gone_at").isNotNull()})
    still = present & (~due)
    seen = {
        "there": F.count_if(F.col("known") & F.col("gone_at").isNull()),
        "present": F.count_if(present),
        "listed": F.count_if(listed),
        "last_run": F.max_by(F.when(present, F.col("run_id")), F.when(present, F.col("first_seen"))),
        **{f"still {code}": F.count_if(still & (F.col("error_code") == code)) for code in ERROR_CODES},
        **{f"out {kind}": F.count_if(F.col("problem") == kind) for kind in LEFT_OUT},
    }
    observed = Observation(uuid.uuid4().hex)
    both = both.observe(observed, *(value.alias(name) for name, value in seen.items()))
    differing = both.where(F.col("state").isNotNull() & ~F.coalesce(F.col("problem").isin(*LEFT_OUT), F.lit(False)))
    tried = F.when(F.col("failed_as").isNotNull(), F.coalesce("attempts", F.lit(1))).alias("tried")
    chosen = differing.select("path", "micros", "length", "state", "problem", "failed_as", tried, "was_gone")
    return chosen, lambda: _known(observed.get)


def last_delivery(snapshot: "Snapshot", run_id: str) -> Counts:
    """Of the files that a run brought, and that are still there, how many are photos, and what the others are."""
    from pyspark.sql import functions as F

    files = snapshot.read(PHOTO_FILES.name).where((F.col("run_id") == run_id) & F.col("gone_at").isNull())
    failed = snapshot.read("photos").where(F.col("status") == str(Status.FAILED)).select("photo_id", "error_code")
    counted = files.join(failed, "photo_id", "left").groupBy("error_code").count().collect()
    by_code = {row["error_code"]: row["count"] for row in counted if row["error_code"] is not None}
    fine = sum(row["count"] for row in counted if row["error_code"] is None)
    return Counts(written=fine, failed=sum(by_code.values()), by_code=by_code)


def stand_in(micros: "Column") -> "Column":
    """The photo_id of a file whose bytes cannot be hashed."""
    from pyspark.sql import functions as F

    return F.sha2(F.concat_ws("|", "path", micros.cast("string"), F.col("length").cast("string")), 256)


def under_now(settings: "IngestSettings", code: "Column") -> "Column":
    """What photo_files.failed_under is to be for a failure of now: the limit, or the readers that there are."""
    from pyspark.sql import functions as F

    under = F.lit(None).cast("string")
    for known in ErrorCode:
        if known.setting is not None:
            under = F.when(code == str(known), F.lit(str(_limit(settings, known)))).otherwise(under)
        elif known.depends_on is DependsOn.READER:
            under = F.when(code == str(known), F.lit(",".join(optional_readers()))).otherwise(under)
    return under


def _due_by_settings(settings: "IngestSettings") -> "Column":
    """Whether a limit was raised, or a reader installed, since a file failed."""
    from pyspark.sql import functions as F

    due = F.lit(False)
    for code in ErrorCode:
        if code.setting is not None:
            raised = F.col(UNDER).cast("double") < float(_limit(settings, code))
            due |= (F.col("error_code") == str(code)) & F.coalesce(raised, F.lit(True))
        elif code.depends_on is DependsOn.READER and optional_readers():
            came = F.col("original_format").isin(*optional_readers())
            before = F.coalesce(F.array_contains(F.split(UNDER, ","), F.col("original_format")), F.lit(False))
            due |= (F.col("error_code") == str(code)) & came & ~before
    return due


def _limit(settings: "IngestSettings", code: ErrorCode) -> float:
    return float(getattr(settings, str(code.setting).removeprefix("ingest.")))


def _known(seen: Mapping[str, object]) -> Known:
    numbers = {name: value for name, value in seen.items() if isinstance(value, int)}
    last = seen.get("last_run")
    return Known(
        numbers.get("there", 0),
        numbers.get("present", 0),
        numbers.get("listed", 0),
        {code: numbers[f"still {code}"] for code in ERROR_CODES if numbers.get(f"still {code}")},
        last if isinstance(last, str) else None,
        {kind: numbers[f"out {kind}"] for kind in LEFT_OUT if numbers.get(f"out {kind}")},
    )
