"""set_up.sh: what it installs the first time, that the second time does nothing, and its one-line refusals."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

UV = """#!/bin/sh
echo "uv $*" >>"$CALLS"
if [ "$1" = venv ]; then
    for environment in "$@"; do :; done
    mkdir -p "$environment/bin"
    printf '#!/bin/sh\\necho "python $*" >>"$CALLS"\\n' >"$environment/bin/python"
    chmod +x "$environment/bin/python"
fi
"""
JAVA = """#!/bin/sh
echo 'openjdk version "{version}" 2025-01-01' >&2
echo '    java.home = /somewhere/java-17' >&2
"""


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def place(tmp_path):
    """A checkout with stand-ins for uv, which notes what it is asked, and for Java."""
    for name in ("set_up.sh", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    script(tmp_path / "tools" / "uv", UV)
    script(tmp_path / "tools" / "java", JAVA.format(version="17.0.1"))
    return tmp_path


def set_up(place: Path, **variables: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    calls = place / "calls"
    calls.write_text("")
    environment = {
        "PATH": f"{place / 'tools'}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "CALLS": str(calls),
        **variables,
    }
    run = subprocess.run(["./set_up.sh"], cwd=place, env=environment, capture_output=True, text=True, check=False)
    return run, [line for line in calls.read_text().splitlines() if " -c import" not in line]


def test_the_second_time_installs_nothing(place):
    run, calls = set_up(place)
    assert run.returncode == 0, run.stderr
    assert calls[0].startswith("uv venv")
    assert calls[1].startswith("uv pip install")
    assert "-c constraints.txt -e .[local,development]" in calls[1]
    assert calls[2:] == ["python -m jobs.spark.delta_jars"]
    assert (place / ".venv/claimlens-java-home").read_text() == "/somewhere/java-17\n"
    again, calls = set_up(place)
    assert again.returncode == 0
    assert again.stderr == ""
    assert calls == ["python -m jobs.spark.delta_jars"]  # which looks into its cache first


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed(place, name):
    set_up(place)
    with (place / name).open("a") as file:
        file.write("# changed\n")
    _, calls = set_up(place)
    assert any(call.startswith("uv pip install") for call in calls)


def test_a_failed_installation_is_tried_again(place):
    script(place / "tools" / "uv", UV + 'if [ "$1" = pip ]; then exit 1; fi\n')
    run, _ = set_up(place)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("claimlens set-up: packages could not be installed")
    script(place / "tools" / "uv", UV)
    run, calls = set_up(place)
    assert run.returncode == 0
    assert any(call.startswith("uv pip install") for call in calls)


def test_torch_alone_comes_from_the_index_that_is_given(place):
    _, calls = set_up(place, TORCH_INDEX="https://index.example/cpu")
    installs = [call for call in calls if call.startswith("uv pip install")]
    assert "--no-deps --index-url https://index.example/cpu torch==" in installs[0]
    assert "index.example" not in installs[1]


def test_java_that_spark_does_not_run_on_is_passed_over(place):
    script(place / "old" / "bin" / "java", JAVA.format(version="11.0.2"))
    run, _ = set_up(place, JAVA_HOME=str(place / "old"))
    assert run.returncode == 0
    assert (place / ".venv/claimlens-java-home").read_text() == "/somewhere/java-17\n"


def test_no_python_is_one_line(place):
    bare = place / "bare"
    bare.mkdir()
    for tool in ("sh", "dirname", "id", "cat", "uname", "sed", "cksum"):
        (bare / tool).symlink_to(str(shutil.which(tool)))
    run, _ = set_up(place, PATH=str(bare), PYTHON="")
    assert run.returncode == 1
    assert run.stderr.startswith("claimlens set-up: no Python 3.11 or newer was found; install one")
    assert run.stderr.count("\n") == 1


def test_the_makefile_lists_its_targets():
    run = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("setup", "demo", "test", "check", "clean"):
        assert f"make {target} " in run.stdout
