"""The driver of embed and classify never loads a model: torch stays with the processes that hold one."""

import subprocess
import sys

import pytest

from tests.models import build_clip
from tests.spark.rows import add_photos, jpeg

FLOW = """
import sys
from pathlib import Path
from jobs import classify, embed
from jobs.job.context import JobContext
from tests.conftest import settings_in

folder = Path(sys.argv[1])
for taxonomy, job in (("vehicle", embed), ("property", classify)):
    settings = settings_in(folder, f"models.photo.name={folder}/clip", f"classify.taxonomy={taxonomy}")
    report = job.run(JobContext.create(settings))
    print(report.job, report.counts.written, report.details.get("classified_in_pass"))
print("torch" in sys.modules, "transformers" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_driver_imports_no_torch(lakehouse, tmp_path):
    build_clip(tmp_path / "clip")
    add_photos(lakehouse, [jpeg("red"), jpeg("blue")])
    done = subprocess.run([sys.executable, "-c", FLOW, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-3:] == ["embed 2 2", "classify 2 None", "False False"]
