"""Two GPUs that Spark's scheduler gives out, on a machine that has none: each has a host of its own, and both work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models import build_clip
from tests.unit.images.pictures import encoded, scenery

ROOT = Path(__file__).resolve().parents[3]
EMBED = """
import sys
from pyspark.sql import SparkSession, functions as F
from udfs.functions.embed import EMBEDDING_SCHEMA, embed_photo_batches
from udfs.models import ModelReference

model, script, photo = sys.argv[1:]
confs = {
    "spark.worker.resource.gpu.amount": "2",
    "spark.worker.resource.gpu.discoveryScript": script,
    "spark.executor.resource.gpu.amount": "2",
    "spark.executor.cores": "4",
    "spark.executor.memory": "1g",
    "spark.task.resource.gpu.amount": "0.5",
    "spark.python.unix.domain.socket.enabled": "true",
    "spark.ui.enabled": "false",
}
builder = SparkSession.builder.master("local-cluster[1,4,1024]")
for name, value in confs.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
content = bytearray(open(photo, "rb").read())
photos = spark.range(0, 64, 1, 8).select(F.col("id").cast("string").alias("entity_id"), F.lit(content).alias("jpeg"))
embed = embed_photo_batches(ModelReference(model, device="cpu", dtype="float32"))
for row in photos.mapInArrow(embed, EMBEDDING_SCHEMA).groupBy("worker", "status").count().collect():
    print("ROW", row["worker"], row["status"], row["count"])
spark.stop()
"""


@pytest.mark.slow
def test_both_gpus_of_an_executor_are_used(tmp_path):
    script = tmp_path / "gpus.sh"
    script.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["GPU-a", "GPU-b"]}'\n""")
    script.chmod(0o755)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encoded(scenery(64, 48, 1)))
    arguments = [str(build_clip(tmp_path / "clip")), str(script), str(photo)]
    ran = subprocess.run(
        [sys.executable, "-c", EMBED, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    rows = [line.split()[1:] for line in ran.stdout.splitlines() if line.startswith("ROW")]
    assert sum(int(count) for _, _, count in rows) == 64
    assert {status for _, status, _ in rows} == {"ok"}
    assert {worker.partition("[")[2].partition("]")[0] for worker, _, _ in rows} == {"GPU-a", "GPU-b"}
    assert len({worker for worker, _, _ in rows}) == 2
