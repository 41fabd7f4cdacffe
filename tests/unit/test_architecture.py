"""The house's rules, read from the sources: which way imports point, what is never named, how large a file may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "transformers", "mlflow", "pyspark", "delta", "lancedb", "lance", "pandas", "sklearn", "matplotlib"}
FLOORS: tuple[tuple[str, ...], ...] = (
    ("udfs.errors", "udfs.outcome", "udfs.keys"),
    ("udfs.images", "udfs.heads", "udfs.records"),
    ("udfs.assessment", "udfs.inference"),
    ("udfs.models",),
    ("udfs.inference.host",),
    ("udfs.functions",),
    ("conf", "demo"),
    ("jobs.settings",),
    ("jobs.lakehouse", "jobs.spark"),
    ("jobs.job", "jobs.index"),
    ("jobs.retrieval",),
    ("jobs.steps",),
    ("jobs",),
    ("jobs.run",),
    ("jobs.console",),
    ("notebooks", "tests"),
)
"""The house, from the ground up. A room knows only what lies on floors below it; the longest name that fits a module
tells its room. `jobs` are the job files themselves, and `jobs.run` is the flow that puts them in a row."""
ROOMS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
CLASSIC_ONLY = {"SparkContext", "sparkContext", "RDD", "rdd", "_jvm", "_jsc", "_jdf", "broadcast", "Broadcast"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, ast.Module]:
    files = [path for package in ("jobs", "udfs", "demo") for path in sorted((ROOT / package).rglob("*.py"))]
    return {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def at_import(node: ast.AST) -> Iterator[str]:
    """What importing the module imports: not in functions, not under TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or is_for_types_only(child):
            continue
        yield from imported(child)
        yield from at_import(child)


def everywhere(tree: ast.AST) -> set[str]:
    return {name for node in ast.walk(tree) for name in imported(node)}


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def room_of(name: str) -> str | None:
    """The room of a module of ours; each job has a room of its own among the steps."""
    room = next((room for room in sorted(ROOMS, key=len, reverse=True) if within(name, room)), None)
    if room == "jobs.steps":
        return ".".join(name.split(".")[:3])
    return name if room == "jobs" else room


def floor_of(room: str) -> int:
    return ROOMS[next(known for known in sorted(ROOMS, key=len, reverse=True) if within(room, known))]


def arrows() -> Iterator[tuple[str, str, str, str]]:
    """Every import from room to room: module, its room, what it imports, the room of that. Lazy ones count too."""
    for name, tree in modules().items():
        room = room_of(name)
        for target in everywhere(tree):
            other = room_of(target)
            if room and other and room != other and target not in {"jobs", "jobs.steps"}:
                yield name, room, target, other


def top_package(name: str) -> str:
    return name.partition(".")[0]


def test_relative_imports_are_not_used():
    relative = [name for name, tree in modules().items() for node in ast.walk(tree) if getattr(node, "level", 0)]
    assert not relative


def test_executor_code_never_reaches_for_the_driver():
    offences = [
        f"{name} imports {target}"
        for name, tree in modules().items()
        if within(name, "udfs")
        for target in everywhere(tree)
        if within(target, "jobs", "mlflow", "delta", "notebooks", "tests") or target.endswith(".SparkSession")
    ]
    assert not offences


def test_every_room_is_there():
    empty = [
        room
        for room in ROOMS
        if not (ROOT / room.replace(".", "/")).with_suffix(".py").is_file()
        and not any((ROOT / room.replace(".", "/")).glob("*.py"))
    ]
    assert not empty


def test_arrows_run_one_way():
    """Downwards only; so no two rooms know each other, no job knows another, and no job reads another's steps."""
    offences = [
        f"{name} imports {target}" for name, room, target, other in arrows() if floor_of(other) >= floor_of(room)
    ]
    assert not sorted(offences)


def test_a_job_uses_only_its_own_steps():
    offences = [
        f"{name} imports {target}"
        for name, room, target, other in arrows()
        if within(other, "jobs.steps")
        and not within(room, "jobs.console")
        and other.split(".")[2] != name.split(".")[1]
    ]
    assert not sorted(offences)


def test_the_demo_is_only_asked_for_by_the_job_that_renders_it():
    assert {name for name, _, _, other in arrows() if other == "demo"} <= {"jobs.demo_data"}


def test_what_spark_is_handed_lies_on_the_executors_side():
    """A function for executors carries its module along: it has to be one of udfs, defined there and imported."""
    handed = {"mapInArrow", "mapInPandas", "applyInArrow", "applyInPandas", "pandas_udf", "udf"}
    offences = []
    for name, tree in modules().items():
        if within(name, "udfs"):
            continue
        from_udfs = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and within(node.module or "", "udfs")
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                if called in handed and node.args:
                    names = {inner.id for inner in ast.walk(node.args[0]) if isinstance(inner, ast.Name)}
                    if not names & from_udfs:
                        offences.append(f"{name}:{node.lineno} hands {ast.unparse(node.args[0])} to {called}")
    assert not offences


def test_nothing_imports_notebooks_or_tests():
    offences = [
        name
        for name, tree in modules().items()
        if any(top_package(target) in {"notebooks", "tests"} for target in everywhere(tree))
    ]
    assert not offences


def test_nothing_that_only_the_classic_api_has():
    offences = []
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                found = {node.attr}
            elif isinstance(node, ast.Name):
                found = {node.id}
            else:
                found = {target.rpartition(".")[2] for target in imported(node)}
            offences += [f"{name}:{node.lineno} {word}" for word in found & CLASSIC_ONLY]
    assert not offences


@cache
def loaded_by_the_command_line() -> frozenset[str]:
    seen: set[str] = set()
    waiting = ["jobs", "jobs.console", "jobs.console.command_line"]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in modules():
            continue
        seen.add(name)
        for target in at_import(modules()[name]):
            parts = target.split(".")
            waiting += [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return frozenset(seen)


def test_modules_behind_the_command_line_import_nothing_heavy():
    light = loaded_by_the_command_line() | {
        name for name in modules() if within(name, "jobs.console", "jobs.job", "jobs.settings", "jobs.spark")
    }
    light |= {"jobs.lakehouse.contracts"}
    offences = [
        f"{name} imports {target}"
        for name in sorted(light)
        for target in at_import(modules()[name])
        if top_package(target) in HEAVY
    ]
    assert not offences


def test_importing_the_command_line_loads_nothing_heavy():
    code = "import sys, jobs.console.command_line; print(' '.join(m for m in sys.modules if '.' not in m))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "typer" in loaded
    assert not loaded & (HEAVY | {"pydantic", "pyarrow", "numpy"})


@cache
def tracked_files() -> tuple[Path, ...]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return tuple(path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file())


def test_files_stay_small_enough_to_read():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in tracked_files()
        if path.suffix == ".py"
    }
    assert lengths
    assert not {name: length for name, length in lengths.items() if length > 400}


def test_no_file_names_a_registry_or_a_place_on_one_machine():
    # Written in pieces, so that this file does not name them either.
    forbidden = [
        "pypi" + ".org",
        "files.python" + "hosted",
        "download.py" + "torch",
        "repo1.maven" + ".org",
        "repo.maven." + "apache",
        "/wo" + "rk/",
        "/ro" + "ot/",
        "../sha" + "red",
        "/opt/" + "wheels",
    ]
    offences = []
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        text = content.decode("utf-8", errors="replace")
        offences += [f"{path.relative_to(ROOT)}: {word}" for word in forbidden if word in text]
    assert not offences


def test_constraints_are_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins == sorted(pins, key=str.lower)
    assert all(line.count("==") == 1 and not set(line) & set("/@: ;") for line in pins)
