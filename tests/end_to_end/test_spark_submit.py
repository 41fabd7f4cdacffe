"""The door of spark-submit: a real standalone cluster whose executors have the archive and nothing else of ours."""

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark
import pytest

from jobs.settings.sections import SparkSettings
from jobs.spark.delta_jars import delta_jars
from tests.end_to_end.conftest import ROOT, place

HOME = Path(pyspark.__file__).parent


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """What `make archive` builds."""
    archive = tmp_path_factory.mktemp("archive") / "claimlens.zip"
    subprocess.run([sys.executable, "-m", "jobs.spark.archive", str(archive)], cwd=ROOT, check=True)
    return archive


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory) -> Path:
    """A Python that has the third-party packages but not this project, however it is installed here."""
    wrapper = tmp_path_factory.mktemp("interpreter") / "python"
    packages = sysconfig.get_paths()["purelib"]
    wrapper.write_text(f'#!/bin/sh\nexport PYTHONPATH="$PYTHONPATH:{packages}"\nexec "{sys.executable}" -S "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


@contextmanager
def standalone_cluster(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """One master and two workers of one core each on loopback; gives the master's address."""
    port = _free_port()
    environment = {**environment, "SPARK_DAEMON_MEMORY": "256m", "SPARK_LOCAL_IP": "127.0.0.1"}
    start = [str(HOME / "bin" / "spark-class")]
    master = f"spark://127.0.0.1:{port}"
    commands = [
        ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    ]
    commands += [
        ["org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--webui-port", "0", "-c", "1", "-m", "1g",
         "-d", str(folder / f"worker{number}"), master]
        for number in range(2)
    ]  # fmt: skip
    processes = []
    try:
        for number, command in enumerate(commands):
            with (folder / f"daemon{number}.log").open("w") as log:
                processes.append(subprocess.Popen([*start, *command], env=environment, stdout=log, stderr=log))
            if number == 0:
                _wait_for(port)
        yield master
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(20)


@pytest.mark.slow
def test_a_job_runs_on_a_cluster_from_the_archive_alone(tmp_path, demo_input, archive, interpreter):
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYSPARK_GATEWAY_PORT"}
    }
    environment |= {"PYSPARK_PYTHON": str(interpreter), "PYSPARK_DRIVER_PYTHON": str(interpreter)}
    (tmp_path / "scripts").mkdir()
    # Alone in its folder, so that nothing but the archive can supply jobs, udfs and conf.
    script = shutil.copy(ROOT / "jobs" / "console" / "submit.py", tmp_path / "scripts")
    reports = {}
    with standalone_cluster(tmp_path, environment) as master:
        for job in ("ingest", "embed"):
            command = [
                str(HOME / "bin" / "spark-submit"),
                "--master", master, "--py-files", str(archive), "--jars", ",".join(delta_jars(SparkSettings())),
                "--driver-memory", "1g", "--executor-memory", "800m", "--total-executor-cores", "2",
                "--conf", "spark.executor.cores=1", "--conf", "spark.driver.host=127.0.0.1",
                "--conf", "spark.databricks.delta.snapshotPartitions=1", "--conf", "spark.ui.enabled=false",
                "--driver-java-options", "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
                script, job, "--json", *place(tmp_path, demo_input), "--set", "embed.partitions=2",
            ]  # fmt: skip
            done = subprocess.run(
                command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False
            )
            assert done.returncode == 0, done.stderr[-4000:]
            reports[job] = json.loads(done.stdout.strip().splitlines()[-1])
    assert reports["ingest"]["counts"]["in"] == len([p for p in (demo_input / "photos").rglob("*") if p.is_file()])
    assert reports["embed"]["photos_embedded"] > 0
    # One process on each of the two executors loaded the model, once.
    assert reports["embed"]["workers"] == 2
    executors = [path.name for path in tmp_path.glob("worker*/app-*/*") if path.is_dir()]
    assert len(executors) >= 4, "two executors for each of the two jobs"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(150):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError("the master did not start")


def test_the_archive_carries_the_settings_and_the_demo_model_but_not_the_demo(archive):
    names = set(zipfile.ZipFile(archive).namelist())
    for name in (
        "conf/base.yaml",
        "conf/taxonomies/vehicle.yaml",
        "conf/models/demo/model.safetensors",
        "udfs/functions/embed.py",
    ):
        assert name in names
    assert not [name for name in names if name.startswith(("demo/", "tests/", "notebooks/"))]


@pytest.mark.slow
def test_the_demo_says_where_it_is_to_be_run_when_it_is_not_in_the_archive(archive, interpreter, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(archive)}
    run = subprocess.run(
        [interpreter, "-m", "jobs.console.command_line", "demo-data"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stderr == (
        "claimlens demo-data: The demo is not part of this archive; run it where claimlens is installed.\n"
    )
