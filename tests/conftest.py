"""Fixtures of the whole suite: one Spark session, a fresh lakehouse a test, and the optional shared data."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling

from jobs.settings.load import load_settings
from jobs.settings.sections import Settings, SparkSettings, TableSettings

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
SHARED_PROCESSES = ("tests/spark/tables", "tests/spark/models", "tests/end_to_end")
"""Folders whose tests share a session, or a finished flow."""
# How long an example takes depends on how busy the machine is, and says nothing about the code.
hypothesis_settings.register_profile("claimlens", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("claimlens")


class ByPlace(LoadScopeScheduling):
    """With several workers: a folder that shares its processes goes to one of them as a whole, and the other files,
    each as a whole, to whichever is free."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = next((name for name in SHARED_PROCESSES if file.startswith(f"{name}/")), None)
        return folder or file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByPlace:
    return ByPlace(config, log)


@pytest.fixture(scope="session")
def spark() -> Iterator[object]:
    """The one session of the run: two threads, up to four attempts a task, small shuffles."""
    from jobs.spark.session import spark_session

    interpreted = load_settings("demo").spark.config  # a handful of rows, as in the demo
    session = spark_session(
        SparkSettings(master="local[2,4]", shuffle_partitions=2, driver_memory="1g", config=interpreted)
    )
    yield session
    session.stop()


@pytest.fixture
def lakehouse(spark, tmp_path):
    """Empty tables in a directory of the test's own."""
    from jobs.lakehouse.tables import Lakehouse

    return Lakehouse(spark, TableSettings(root=str(tmp_path / "lakehouse")))


@pytest.fixture
def settings(tmp_path) -> Settings:
    """Settings whose every output lies in the test's own directory; tracking is off."""
    return settings_in(tmp_path)


def settings_in(folder: Path, *overrides: str) -> Settings:
    """Local settings under a folder, with further `a.b=c` overrides."""
    return load_settings(
        "local",
        [
            f"tables.root={folder}/lakehouse",
            f"index.root={folder}/index",
            f"tracking.root={folder}/mlflow",
            "tracking.enabled=false",
            f"report.output={folder}/report.html",
            "spark.master='local[2,4]'",
            "spark.shuffle_partitions=2",
            *overrides,
        ],
    )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real photos and models, where the machine has them; the test is skipped, saying so, where it has not."""
    named = os.environ.get("CLAIMLENS_SHARED_DATA")
    folder = Path(named) if named else ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the shared data is not on this machine (set CLAIMLENS_SHARED_DATA)")
    return folder
