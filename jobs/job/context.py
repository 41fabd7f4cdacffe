"""What a job is given: settings, session, tables, clock, progress and tracking."""

import copy
import dataclasses
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.job.progress import Progress, SilentProgress
from jobs.job.report import Counts, Report
from jobs.job.tracking import NoTracker, Tracker
from udfs.errors import FailureRateError
from udfs.outcome import explain

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.job.head import CurrentHead
    from jobs.job.model import CurrentModel
    from jobs.lakehouse.snapshot import Snapshot
    from jobs.lakehouse.tables import Lakehouse
    from jobs.settings.sections import ModelSettings, Settings
    from udfs.heads.head import Head


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


def new_run_id() -> str:
    """An id for one run of one job."""
    return uuid.uuid4().hex


class _Shared:
    """What is made when it is first needed and shared by the jobs of one flow: session, tables, models, head."""

    def __init__(self) -> None:
        self.spark: SparkSession | None = None
        self.lakehouse: Lakehouse | None = None
        self.models: dict[str, CurrentModel] = {}
        self.head: CurrentHead | None = None


@dataclass(frozen=True)
class JobContext:
    """Everything with an effect that a job may use. `clock` and `run_id` are injected so that tests can fix them."""

    settings: "Settings"
    run_id: str = field(default_factory=new_run_id)
    dry_run: bool = False
    clock: Callable[[], datetime] = utc_now
    progress: Progress = field(default_factory=SilentProgress)
    tracker: Tracker = field(default_factory=NoTracker)
    _shared: _Shared = field(default_factory=_Shared, repr=False)

    @classmethod
    def create(
        cls,
        settings: "Settings",
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
        tracker: Tracker | None = None,
    ) -> "JobContext":
        """A context for one run; silent and untracked unless told otherwise."""
        return cls(settings, dry_run=dry_run, progress=progress or SilentProgress(), tracker=tracker or NoTracker())

    @property
    def spark(self) -> "SparkSession":
        """The Spark session, started on first use."""
        if self._shared.spark is None:
            from jobs.spark.session import spark_session

            self._shared.spark = spark_session(self.settings.spark)
        return self._shared.spark

    @property
    def started(self) -> bool:
        """Whether a Spark session is in use: a job that failed before needs none to say so."""
        return self._shared.spark is not None

    @property
    def lakehouse(self) -> "Lakehouse":
        """The tables."""
        if self._shared.lakehouse is None:
            from jobs.lakehouse.tables import Lakehouse

            self._shared.lakehouse = Lakehouse(self.spark, self.settings.tables)
        return self._shared.lakehouse

    @property
    def model(self) -> "CurrentModel":
        """The model that embeds photos, settled and described once in a run.

        Raises:
            ModelError: it cannot be described.
        """
        return self._model(self.settings.models.photo)

    @property
    def text_model(self) -> "CurrentModel":
        """The model that embeds passages and questions: the photo model where no other is named.

        Raises:
            ModelError: it cannot be described.
        """
        return self._model(self.settings.models.text or self.settings.models.photo)

    @property
    def head(self) -> "CurrentHead":
        """The one current classifier, for every job alike.

        Raises:
            TaxonomyError: the taxonomy is malformed.
            ModelError: the model cannot be described.
        """
        if self._shared.head is None:
            from jobs.job.head import taxonomy_head

            self._shared.head = taxonomy_head(self.settings.classify.taxonomy, self.model)
        return self._shared.head

    def with_head(self, head: "Head") -> "JobContext":
        """The same place with another classifier than the settings', such as one that was fitted to own labels."""
        from jobs.job.head import given_head

        shared = copy.copy(self._shared)
        shared.head = given_head(head)
        return dataclasses.replace(self, _shared=shared)

    def pin(self, *tables: str) -> "Snapshot":
        """These tables as they are now: one version each for all that a job reads, and reports as read."""
        from jobs.lakehouse.snapshot import Snapshot

        return Snapshot(self.lakehouse, *tables)

    def _model(self, settings: "ModelSettings") -> "CurrentModel":
        asked = settings.model_dump_json()
        if asked not in self._shared.models:
            from jobs.job.model import current_model

            self._shared.models[asked] = current_model(settings)
        return self._shared.models[asked]

    def next_job(self) -> "JobContext":
        """The same place and session under a run id of its own, for the next job of a flow."""
        return dataclasses.replace(self, run_id=new_run_id())

    def check_failure_rate(self, counts: Counts, kept: str = "what was done is kept") -> None:
        """Stop a job of which too much fails.

        Raises:
            FailureRateError: above limits.failure_rate, once limits.failure_minimum rows were worked on.
        """
        limits = self.settings.limits
        if counts.written + counts.failed >= limits.failure_minimum and counts.failure_rate > limits.failure_rate:
            codes = sorted(counts.by_code.items(), key=lambda pair: (-pair[1], pair[0]))
            listed = ", ".join(f"{code} {number}" for code, number in codes)
            remedy = f" {codes[0][0]}: {explain(codes[0][0])[1]}" if codes else ""
            raise FailureRateError(
                f"{counts.failed} of {counts.written + counts.failed} rows failed ({listed}), more than "
                f"limits.failure_rate = {limits.failure_rate:g} allows; {kept}. "
                f"Mend the input, or raise the limit.{remedy}"
            )

    def check_what_still_fails(self, what: str, still: Mapping[str, int], *sets: Counts) -> None:
        """Say what still fails from before, and stop where that is too much: a second run is no better than the first.

        Args:
            what: the rows' name: file, vector.
            still: code -> rows that failed before and were not tried again.
            sets: what to judge, each by itself: all rows there are, or those of the last delivery.

        Raises:
            FailureRateError: in one of the sets too much fails.
        """
        if not still:
            return
        listed = ", ".join(f"{code} {number}" for code, number in sorted(still.items(), key=lambda pair: -pair[1]))
        number = sum(still.values())
        self.progress.say(
            f"{number:,} {what} still fails: {listed}" if number == 1 else f"{number:,} {what}s still fail: {listed}"
        )
        for counts in sets:
            self.check_failure_rate(counts, "nothing of it was mended since")

    def record(self, report: Report) -> None:
        """Write the report to job_runs; a job that used no Spark, such as search, starts none for this."""
        if not self.started:
            return
        from pyspark.sql import Row

        from jobs.lakehouse.contracts import JOB_RUNS
        from jobs.lakehouse.writes import append_new

        row = Row(
            run_id=report.run_id,
            job=report.job,
            status=report.status,
            finished_at=self.clock(),
            rows_in=report.counts.rows_in,
            written=report.counts.written,
            skipped=report.counts.skipped,
            failed=report.counts.failed,
            seconds=float(report.seconds),
            photos_per_second=float(report.photos_per_second),
            report=json.dumps(report.recorded().as_dict()),
        )
        append_new(self.lakehouse, self.spark.createDataFrame([row], JOB_RUNS.schema), JOB_RUNS.name)
