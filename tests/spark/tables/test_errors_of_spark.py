"""What Spark and Delta raise is told alike by the classic API and by Spark Connect, whatever they wrap it in."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys
from pathlib import Path
from jobs.lakehouse.errors import condition, in_words, path_is_absent
from jobs.lakehouse.tables import Lakehouse
from jobs.lakehouse.writes import delete_keys, stage
from jobs.settings.sections import SparkSettings, TableSettings
from jobs.spark.session import spark_session
from tests.spark.rows import filled

root, remote = sys.argv[1], sys.argv[2] == "connect"
place = {"remote": "local[2]"} if remote else {"master": "local[2]"}
spark = spark_session(SparkSettings(shuffle_partitions=2, driver_memory="1g", **place))
lakehouse = Lakehouse(spark, TableSettings(root=root))
told = {"connect": "connect" in type(spark).__module__, "absent": not lakehouse.exists("claim_photos")}
rows = spark.createDataFrame([("C-1", "a" * 64), ("C-2", "b" * 64)], "claim_id string, photo_id string")
lakehouse.ensure("claim_photos")
filled(rows, "claim_photos").write.format("delta").mode("append").save(lakehouse.path("claim_photos"))
since = lakehouse.version("claim_photos")
delete_keys(lakehouse, rows.where("claim_id = 'C-1'").select("claim_id"), "claim_photos")

def raised(action):
    try:
        action()
    except Exception as error:
        return error

for file in Path(lakehouse.path("claim_photos")).rglob("*.parquet"):
    file.unlink()
error = raised(lambda: stage(lakehouse, lakehouse.changes("claim_photos", since), "run"))
told |= {"condition": condition(error), "words": in_words(error)}
told["no path"] = path_is_absent(raised(lambda: spark.read.parquet(root + "/nowhere").collect()))
print("TOLD " + json.dumps(told))
"""


@pytest.mark.parametrize("how", ["classic", "connect"])
def test_errors_are_known_by_their_condition_and_told_in_one_line(how, tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "lake"), how]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    line = next((line for line in answer.stdout.splitlines() if line.startswith("TOLD ")), "TOLD {}")
    told = json.loads(line.removeprefix("TOLD "))
    words = told.pop("words", answer.stderr)
    assert told == {
        "connect": how == "connect",
        "absent": True,
        "condition": "FAILED_READ_FILE.FILE_NOT_EXIST",
        "no path": True,
    }
    assert words.startswith("[FAILED_READ_FILE.FILE_NOT_EXIST]")
    assert "\n" not in words
