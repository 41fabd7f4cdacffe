"""The one session builder: the running session where there is one, else a local or remote one with Delta."""

import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.settings.sections import SparkSettings
from jobs.spark.delta_jars import delta_jars
from jobs.spark.java_greeting import java_starts_silently
from udfs.errors import EnvironmentMissingError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
SUPPORTED_JAVA = (17, 21)
LONGEST_SILENCE = 7200
"""Seconds in which a Python worker says nothing to Spark, after which it is killed and its task tried again."""


def spark_session(settings: SparkSettings) -> "SparkSession":
    """The session that jobs run in.

    In order: the active session (notebooks, tests), Databricks' own, the one that spark-submit prepared, a Spark
    Connect one when spark.remote is set, else a local one whose Delta jars come from the cache.

    Raises:
        EnvironmentMissingError: no usable Java, or no Delta jars.
    """
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(settings.app_name)
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        return builder.getOrCreate()
    # Millions of rows cross the session's time zone; tables hold UTC whatever the machine's clock says.
    common = {
        **DELTA,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # Batches of photos: Arrow pools buffers up to 16 MiB, and allocates and clears larger ones anew each time.
        "spark.sql.execution.arrow.maxBytesPerBatch": "4m",
        # Each task costs its worker a clean-up, and each byte on its way there less on a Unix socket than on a TCP one;
        # what is small is spread over all cores as before. Together 3 % of the time for photos of 12 megapixels.
        "spark.sql.files.maxPartitionBytes": "512m",
        "spark.python.unix.domain.socket.enabled": "true",
        **settings.config,
    }
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # spark-submit started the JVM, and with it chose master and jars
        return _configured(builder, common).getOrCreate()
    if settings.remote and not settings.remote.startswith("local"):
        return _configured(builder.remote(settings.remote), settings.config).getOrCreate()
    java_version()
    local = {
        "spark.jars": ",".join(delta_jars(settings)),
        "spark.driver.memory": settings.driver_memory,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # One machine, short sessions: Delta's own state needs no fifty tasks, and code compiled quickly beats code
        # compiled well. Left alone, Java keeps 48 MB of such code, and compiles no more once these are full.
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.driver.extraJavaOptions": f"-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m {_quiet_logging()}",
        "spark.python.daemon.module": "udfs.functions.worker_daemon",
        # The last net under a worker that hangs: longer than anything here is silent, a model that loads included.
        "spark.python.worker.idleTimeoutSeconds": str(LONGEST_SILENCE),
        "spark.python.worker.killOnIdleTimeout": "true",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        **common,
    }
    master = settings.remote or settings.master or "local[*,4]"
    if not master.startswith("local"):
        del local["spark.driver.host"], local["spark.driver.bindAddress"]
    chosen = builder.remote(master) if settings.remote else builder.master(master)
    with java_starts_silently():
        return _configured(chosen, local).getOrCreate()


def _quiet_logging() -> str:
    """Java's option for the logging that ships with claimlens; empty where that is not a file, as in an archive."""
    properties = resources.files("conf").joinpath("log4j2.properties")
    return f"-Dlog4j2.configurationFile={properties.absolute().as_uri()}" if isinstance(properties, Path) else ""


def java_version() -> int:
    """Major version of the Java that Spark will start.

    Raises:
        EnvironmentMissingError: none is found, or Spark does not run on it.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    hint = (
        "Install Java 17 or 21 (Debian: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17), "
        "or set JAVA_HOME."
    )
    if java is None or (home and not Path(java).exists()):
        raise EnvironmentMissingError(f"Spark needs Java and none was found. {hint}")
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    digits = answer.partition('"')[2].partition('"')[0].split(".")[0]
    if not digits.isdigit() or int(digits) not in SUPPORTED_JAVA:
        raise EnvironmentMissingError(
            f"Spark 4.2 runs on Java 17 or 21, and {java} is {digits or 'something else'}. {hint}"
        )
    return int(digits)


def _configured(builder: "SparkSession.Builder", values: dict[str, str]) -> "SparkSession.Builder":
    for key, value in values.items():
        builder = builder.config(key, value)
    return builder
