"""The installed command from outside: its help, its report, its failures, and that nothing needs the network twice."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.console.command_line import run_command_line
from tests.end_to_end.conftest import ROOT, place

CUT_OFF = """
import fcntl, os, socket, struct, sys
with socket.socket() as any_socket:  # Spark talks to itself over loopback, which a new network namespace has down
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 1))
if [name for _, name in socket.if_nameindex() if name != "lo"]:
    sys.exit("there still is a network")
os.execvp(sys.argv[1], sys.argv[1:])
"""


def without_network(*command: str) -> list[str]:
    """The command in a network namespace that has loopback alone; skips where the system allows none."""
    cut_off = ["unshare", "--map-root-user", "--net", sys.executable, "-c", CUT_OFF]
    if shutil.which("unshare") is None or subprocess.run([*cut_off, "true"], check=False).returncode != 0:
        pytest.skip("this system lets no one make a network namespace")
    return [*cut_off, *command]


def set_up_is_current() -> bool:
    stamp = Path(sys.prefix) / "claimlens-installed"
    files = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    wanted = subprocess.run(["cksum"], input=files, capture_output=True, check=True).stdout.decode()
    return stamp.is_file() and stamp.read_text() == wanted


def test_the_console_script_is_installed_and_helps():
    script = Path(sys.executable).with_name("claimlens")
    run = subprocess.run([str(script), "--help"], capture_output=True, text=True, check=True)
    assert "sync-index" in run.stdout


@pytest.mark.slow
def test_doctor_looks_and_touches_nothing(tmp_path, demo_input, claimlens):
    answer = claimlens("doctor", "--json", *place(tmp_path, demo_input))
    assert "Traceback" not in answer.errors
    checks = {check["name"]: check for check in json.loads(answer.output)["checks"]}
    assert answer.status == 0, checks
    assert [checks[name]["state"] for name in ("java", "spark", "delta", "torch", "model")] == ["ok"] * 5
    assert checks["table photos"]["state"] == "absent"
    assert not (tmp_path / "lakehouse").exists()
    assert not (tmp_path / "index").exists()


@pytest.mark.usefixtures("spark")
def test_doctor_finds_a_finished_place_in_order(finished, demo_input, capfd):
    assert run_command_line(["doctor", "--json", *place(finished.folder, demo_input)]) == 0
    checks = {check["name"]: check for check in json.loads(capfd.readouterr().out)["checks"]}
    # No GPU may be here, and only Auto Loader fills source_files.
    assert {name for name, check in checks.items() if check["state"] != "ok"} <= {"gpu", "table source_files"}
    assert "in step with the tables" in checks["index"]["found"]


def test_doctor_names_what_is_missing_and_how_to_mend_it(tmp_path, demo_input, claimlens):
    options = place(
        tmp_path, demo_input, f"spark.jar_cache={tmp_path}/no-jars", f"models.photo.name={tmp_path}/no-model"
    )
    answer = claimlens("doctor", *options)
    assert answer.status == 1
    assert "jobs.spark.delta_jars" in answer.output
    assert "no-model" in answer.output
    assert "Traceback" not in answer.errors
    assert not (tmp_path / "no-jars").exists()


@pytest.mark.slow
def test_a_missing_directory_is_one_line_and_a_failed_report(tmp_path, demo_input, claimlens):
    nowhere = f"ingest.photos={tmp_path}/nowhere"
    answer = claimlens("ingest", "--json", *place(tmp_path, demo_input, nowhere))
    assert answer.status == 1
    assert json.loads(answer.output)["status"] == "failed"
    assert "nowhere" in json.loads(answer.output)["error"]["message"]
    assert "Traceback" not in answer.errors
    assert answer.errors.count("claimlens ingest:") == 1


@pytest.mark.slow
def test_the_second_time_needs_no_network(tmp_path, finished, demo_input):
    if not set_up_is_current():
        pytest.skip("this environment was not made by `make setup`")
    environment = {**os.environ, "VENV": sys.prefix}
    again = subprocess.run(
        without_network("./set_up.sh"), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (again.returncode, again.stderr) == (0, "")
    # A job with Spark, Delta, the model and MLflow's store, all from what is on this machine.
    options = [*place(finished.ingested(tmp_path), demo_input), "--set", "tracking.enabled=true"]
    command = without_network(sys.executable, "-m", "jobs.console.command_line", "embed", "--json", *options)
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250)
    assert run.returncode == 0, run.stderr[-2000:]
    assert json.loads(run.stdout)["photos_embedded"] > 0
    assert "tracking stopped" not in run.stderr
    assert (tmp_path / "mlflow" / "mlflow.db").is_file()
