"""A photo that no file holds any more is let go by the index, and taken again when a file holds it."""

from datetime import UTC, datetime

import pytest

from jobs.job.context import JobContext
from tests.spark.index_tables import Tables, did, held, photo_id, proved, synced


@pytest.mark.slow
def test_a_photo_that_no_file_holds_any_more_leaves_the_index_and_comes_back(spark, settings):
    tables, now = Tables(JobContext.create(settings)), datetime.now(UTC)
    tables.lakehouse.ensure("passages", "claim_passages", "claim_assessments")
    tables.add_photos([1, 2, 3])
    tables.claims(C_1="Minor Damage")

    def file(path, number, gone_at=None):
        row = {"path": path, "modification_time": now, "length": 1, "photo_id": photo_id(number), "gone_at": gone_at}
        tables.append("photo_files", [row])

    synced(tables)
    file("/a.jpg", 1, gone_at=now)
    file("/b.jpg", 2, gone_at=now)
    file("/moved/b.jpg", 2)
    assert did(synced(tables))[2:] == (0, 0, 1)
    assert held(tables).keys() == {2, 3}
    file("/again.jpg", 1)
    assert did(synced(tables))[2:] == (1, 0, 0)
    assert held(tables).keys() == {1, 2, 3}
    proved(tables)
