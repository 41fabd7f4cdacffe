"""The whole flow as a user runs it: once, again, over Spark Connect, and after the driver was killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from jobs.lakehouse.tables import Lakehouse
from jobs.runtime.settings import TableSettings
from tests.end_to_end.conftest import ROOT, place

pytestmark = pytest.mark.timeout(900)  # each test starts several processes, each with a JVM of its own


def test_the_flow_ends_in_a_page_and_a_second_run_infers_nothing(tmp_path, demo_input, claimlens):
    first = claimlens("run", "--json", *place(tmp_path, demo_input)).report
    assert first["status"] == "done"
    assert first["photos_embedded"] > 0
    assert Path(first["page"]).stat().st_size > 10_000
    for report in first["jobs"]:
        counts = report["counts"]
        assert counts["in"] == counts["written"] + counts["skipped"] + counts["failed"], report["job"]
    found = claimlens("search", "a red car with a dent", "--json", *place(tmp_path, demo_input)).report
    assert len(found["hits"]) > 0
    second = claimlens("run", "--json", *place(tmp_path, demo_input)).report
    assert second["photos_embedded"] == 0
    by_job = {report["job"]: report for report in second["jobs"]}
    assert by_job["ingest"]["counts"]["written"] == 0
    assert by_job["sync-index"]["counts"]["written"] == 0


def test_the_same_jobs_run_on_spark_connect(tmp_path, demo_input, claimlens):
    reports = {
        job: claimlens(job, "--json", *place(tmp_path, demo_input, "spark.remote=local[2]", "spark.master=null")).report
        for job in ("ingest", "embed")
    }
    assert reports["ingest"]["counts"]["written"] > 0
    assert reports["embed"]["photos_embedded"] > 0


def test_killing_the_driver_in_the_middle_of_embed_changes_nothing_in_the_end(tmp_path, demo_input, claimlens, spark):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    small = ["embed.wave_photos=8", "embed.partitions=1"]
    for folder in (undisturbed, disturbed):
        assert claimlens("ingest", "--json", *place(folder, demo_input)).report["status"] == "done"
    assert claimlens("embed", "--json", *place(undisturbed, demo_input, *small)).report["status"] == "done"
    _start_embed_and_kill_it(tmp_path, disturbed, demo_input, small)
    tables = Lakehouse(spark, TableSettings(root=str(disturbed / "lakehouse")))
    part = tables.read("embeddings").count()
    again = claimlens("embed", "--json", *place(disturbed, demo_input, *small, "tables.staging_hours=0")).report
    whole = Lakehouse(spark, TableSettings(root=str(undisturbed / "lakehouse")))
    assert 0 < part < whole.read("embeddings").count()
    assert again["counts"]["skipped"] == part
    for table, columns in (
        ("embeddings", ["entity", "entity_id", "model_key", "content_hash", "status", "error_code", "dimension"]),
        ("damage_predictions", ["photo_id", "model_key", "head_key", "labels", "severity", "part", "decision"]),
    ):
        rows = [
            sorted(
                map(
                    str,
                    Lakehouse(spark, TableSettings(root=str(folder / "lakehouse")))
                    .read(table)
                    .select(*columns)
                    .collect(),
                )
            )
            for folder in (undisturbed, disturbed)
        ]
        assert rows[0] == rows[1], table
        assert len(set(rows[0])) == len(rows[0])
    assert not list((disturbed / "lakehouse" / "_staging").rglob("*.parquet")), "the killed wave's staging is cleared"
    assert tables.read("embeddings").where(F.col("status") == "ok").count() > 0


def _start_embed_and_kill_it(cwd, folder, demo_input, more):
    command = [sys.executable, "-m", "jobs.runtime.command_line", "embed", "--json", *place(folder, demo_input, *more)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    log = folder / "lakehouse" / "embeddings" / "_delta_log"
    for _ in range(2400):
        if any("MERGE" in path.read_text() for path in log.glob("*.json") if path.stat().st_size):
            break
        assert process.poll() is None, "embed ended before it could be killed"
        time.sleep(0.1)
    else:
        pytest.fail("embed committed no wave within four minutes")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["ingest.photos=/no/such/place"], "/no/such/place"),
        (["model.name=/no/such/model"], "/no/such/model"),
    ],
)
def test_what_is_missing_is_named_in_one_line(tmp_path, demo_input, claimlens, overrides, said):
    job = "ingest" if "ingest" in overrides[0] else "embed"
    answer = claimlens(job, "--json", *place(tmp_path, demo_input, *overrides))
    assert answer.status == 1
    assert said in answer.errors.strip().splitlines()[-1]
    assert json.loads(answer.output)["status"] == "failed"
