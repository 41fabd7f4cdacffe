"""The Delta jars: fetched once from Maven Central by Spark's own resolver, then taken from the cache."""

import re
import subprocess
import sys
from pathlib import Path

from jobs.settings.load import load_settings
from jobs.settings.sections import SparkSettings
from udfs.errors import ClaimlensError, EnvironmentMissingError

_RESOLVE = """
import sys
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
builder.config("spark.jars.packages", sys.argv[1]).config("spark.jars.ivy", sys.argv[2]).getOrCreate().stop()
"""


def delta_jars(settings: SparkSettings, *, fetch: bool = True) -> list[str]:
    """Paths of the Delta jars, from the settings, from the cache, or (once, with network) from Maven Central.

    Raises:
        EnvironmentMissingError: they are not cached and cannot be fetched.
    """
    if settings.delta_jars:
        missing = [jar for jar in settings.delta_jars if not Path(jar).expanduser().is_file()]
        if missing:
            raise EnvironmentMissingError(
                f"spark.delta_jars names {missing[0]}, which is not there; correct the setting."
            )
        return [str(Path(jar).expanduser()) for jar in settings.delta_jars]
    cache = Path(settings.jar_cache).expanduser()
    listing = cache / (re.sub(r"[^A-Za-z0-9.]+", "_", settings.delta_package) + ".list")
    cached = _listed(listing)
    if cached or not fetch:
        return cached
    cache.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(
        [sys.executable, "-c", _RESOLVE, settings.delta_package, str(cache)],
        capture_output=True,
        text=True,
        check=False,
    )
    jars = _needed(cache / "jars")
    if result.returncode != 0 or not any("delta-spark" in jar.name for jar in jars):
        reasons = [line.strip() for line in result.stderr.splitlines() if "unresolved" in line or "Exception" in line]
        reason = reasons[0][:200] if reasons else "Spark's resolver gave no reason"
        raise EnvironmentMissingError(
            f"The Delta jars {settings.delta_package} could not be fetched from Maven Central ({reason}). "
            "Fetch them elsewhere and name them in the setting spark.delta_jars."
        )
    listing.write_text("\n".join(str(jar) for jar in jars) + "\n", encoding="utf-8")
    return [str(jar) for jar in jars]


def _listed(listing: Path) -> list[str]:
    if not listing.is_file():
        return []
    jars = listing.read_text(encoding="utf-8").split("\n")[:-1]
    return jars if all(Path(jar).is_file() for jar in jars) else []


def _needed(folder: Path) -> list[Path]:
    """The fetched jars less those which Spark brings itself in a version of its own."""
    import pyspark

    shipped = {_artifact(jar.name) for jar in (Path(pyspark.__file__).parent / "jars").glob("*.jar")}
    fetched = sorted(folder.glob("*.jar"))
    return [jar for jar in fetched if _artifact(jar.name.partition("_")[2]) not in shipped]


def _artifact(name: str) -> str:
    return re.sub(r"-\d[\w.\-]*\.jar$", "", name)


def main() -> int:
    """Fill the cache and print the jars, comma-separated as spark-submit --jars takes them."""
    try:
        sys.stdout.write(",".join(delta_jars(load_settings().spark)) + "\n")
    except ClaimlensError as error:
        sys.stderr.write(f"claimlens: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
