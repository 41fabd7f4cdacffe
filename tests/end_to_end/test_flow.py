"""The whole flow as a user runs it: once, again, over Spark Connect, and after the driver was killed."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from jobs.lakehouse.tables import Lakehouse
from jobs.settings.sections import TableSettings
from tests.end_to_end.conftest import ROOT, place


def test_the_flow_ends_in_a_page_and_every_row_is_accounted_for(finished):
    assert finished.report["status"] == "done"
    assert finished.report["photos_embedded"] > 0
    assert Path(finished.report["page"]).stat().st_size > 10_000
    for report in finished.report["jobs"]:
        counts = report["counts"]
        assert counts["in"] == counts["written"] + counts["skipped"] + counts["failed"], report["job"]


def test_standard_error_holds_only_what_claimlens_itself_says(finished):
    step, end = r"\d/\d [a-z-]+", r"    (done|nothing_to_do|skipped): .*"
    progress = r"[a-z]+[a-z ]*: [\d,]+ (to do|of [\d,]+, .*)|Reading the .*"
    lines = finished.errors.splitlines()
    assert len(lines) > 10
    assert not [line for line in lines if re.fullmatch(f"{step}|{end}|{progress}", line) is None]


def test_what_the_flow_indexed_is_found_and_a_photo_finds_itself(tmp_path, finished, demo_input, claimlens):
    options = ["--json", *place(finished.folder, demo_input)]
    found = claimlens("search", "a red car with a dent", *options).report
    assert len(found["hits"]) == 10
    photo_id = found["hits"][0]["entity_id"]
    files = (path for path in (demo_input / "photos").rglob("*") if path.is_file())
    photo = next(path for path in files if hashlib.sha256(path.read_bytes()).hexdigest() == photo_id)
    like = claimlens("search", "--photo", str(photo), "--html", str(tmp_path / "hits.html"), *options).report
    assert like["hits"][0]["entity_id"] == photo_id
    assert like["hits"][0]["score"] >= 0.999999
    assert (tmp_path / "hits.html").read_text().count("data:image/jpeg;base64,") == 1 + len(like["hits"])


@pytest.mark.slow
def test_a_second_run_infers_nothing(finished, demo_input, claimlens):
    second = claimlens("run", "--json", *place(finished.folder, demo_input)).report
    assert second["photos_embedded"] == 0
    written = {report["job"]: report["counts"]["written"] for report in second["jobs"]}
    assert {job: count for job, count in written.items() if count} == {"report": written["report"]}


@pytest.mark.slow
def test_the_same_flow_runs_on_spark_connect(tmp_path, finished, demo_input, claimlens):
    options = place(tmp_path, demo_input, "spark.remote=local[2]", "spark.master=null")
    report = claimlens("run", "--json", *options).report
    assert [job["status"] for job in report["jobs"]] == [job["status"] for job in finished.report["jobs"]]
    assert [job["counts"] for job in report["jobs"]] == [job["counts"] for job in finished.report["jobs"]]


@pytest.mark.slow
def test_killing_the_driver_in_the_middle_of_embed_changes_nothing_in_the_end(
    tmp_path, finished, demo_input, claimlens, spark
):
    small = ["embed.wave_photos=8", "embed.partitions=1"]
    disturbed = finished.ingested(tmp_path)
    _start_embed_and_kill_it(tmp_path, disturbed, demo_input, small)
    tables, undisturbed = (
        Lakehouse(spark, TableSettings(root=str(folder / "lakehouse"))) for folder in (disturbed, finished.folder)
    )
    part = tables.read("embeddings").count()
    assert 0 < part < undisturbed.read("embeddings").count()
    again = claimlens("embed", "--json", *place(disturbed, demo_input, *small, "tables.staging_hours=0")).report
    assert again["counts"]["skipped"] == part
    for table, columns in (
        ("embeddings", ["entity", "entity_id", "model_key", "status", "error_code", "dimension"]),
        ("damage_predictions", ["photo_id", "model_key", "head_key", "labels", "severity", "part", "decision"]),
    ):
        rows = [
            sorted(map(str, lakehouse.read(table).select(*columns).collect())) for lakehouse in (undisturbed, tables)
        ]
        assert rows[0] == rows[1], table
        assert len(set(rows[0])) == len(rows[0])
    assert not list((disturbed / "lakehouse" / "_staging").rglob("*.parquet")), "the killed wave's staging is cleared"
    assert tables.read("embeddings").where(F.col("status") == "ok").count() > 0


def _start_embed_and_kill_it(cwd, folder, demo_input, more):
    command = [sys.executable, "-m", "jobs.console.command_line", "embed", "--json", *place(folder, demo_input, *more)]
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


def test_a_missing_model_is_named_in_one_line(tmp_path, demo_input, claimlens):
    answer = claimlens("embed", "--json", *place(tmp_path, demo_input, "models.photo.name=/no/such/model"))
    assert answer.status == 1
    assert "/no/such/model" in answer.errors.strip().splitlines()[-1]
    assert json.loads(answer.output)["status"] == "failed"
