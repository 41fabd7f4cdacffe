"""What jobs did."""

from jobs.lakehouse.contracts.table import Column, TableContract

JOB_RUNS = TableContract(
    "job_runs",
    1,
    "Every run's report",
    (
        Column("run_id", "STRING", "The run", required=True),
        Column("job", "STRING", "Name of the job", required=True),
        Column("status", "STRING", "done, nothing_to_do, skipped or failed", required=True),
        Column("finished_at", "TIMESTAMP", "When it ended", required=True),
        Column("rows_in", "BIGINT", "Rows read", required=True),
        Column("written", "BIGINT", "Rows written", required=True),
        Column("skipped", "BIGINT", "Rows that needed nothing", required=True),
        Column("failed", "BIGINT", "Rows that failed", required=True),
        Column("seconds", "DOUBLE", "Wall time", required=True),
        Column("photos_per_second", "DOUBLE", "Rows worked on per second", required=True),
        Column("report", "STRING", "The whole report as JSON", required=True),
    ),
    key=("run_id",),
)
