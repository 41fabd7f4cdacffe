"""A later ingest: what failed is tried again when that may help, still told when not, and what is gone is let go."""

import os
import shutil

import pytest
from pyspark.sql import functions as F

from jobs.job.context import utc_now
from jobs.job.retries import Retries, asked_codes
from jobs.settings.sections import IngestSettings
from jobs.steps.ingest.comparison import under_now
from tests.spark.tables.test_ingest import Place, links_of, photo_bytes, put
from udfs.errors import FailureRateError, InputError, SettingsError
from udfs.outcome import DependsOn, ErrorCode


@pytest.fixture
def place(spark, tmp_path):
    return Place(spark, tmp_path)


def test_a_code_is_tried_again_by_itself_exactly_where_its_advice_says_so(spark):
    now = utc_now()
    frame = spark.createDataFrame([(str(code),) for code in ErrorCode], "error_code string")
    frame = frame.withColumns(
        {"status": F.lit("failed"), "failed_under": under_now(IngestSettings(), F.col("error_code"))}
    )
    tried = frame.withColumns(dict(Retries(now, 60.0).after(F.lit(1))))
    for retries, expected in (
        (Retries(now, 60.0), set()),
        (Retries(now.replace(year=now.year + 1), 60.0), {code for code in ErrorCode if code.retryable}),
        (Retries(now, 60.0, asked_codes("corrupt,empty")), {ErrorCode.CORRUPT, ErrorCode.EMPTY}),
        (Retries(now, 60.0, asked_codes("all")), set(ErrorCode)),
    ):
        due = {row["error_code"] for row in tried.where(retries.due()).collect()}
        assert due == {str(code) for code in expected}
    recorded = {row["error_code"] for row in tried.where("failed_under IS NOT NULL").collect()}
    assert recorded == {str(code) for code in ErrorCode if code.depends_on in {DependsOn.LIMIT, DependsOn.READER}}
    pauses = spark.range(1, 60).withColumns({"status": F.lit("failed"), "error_code": F.lit("unreadable")})
    pauses = pauses.withColumns(dict(Retries(now, 60.0).after(F.col("id"))))
    seconds = (F.unix_micros("retry_after") - F.unix_micros(F.lit(now))) / 1_000_000
    found = [row[0] for row in pauses.select(seconds).collect()]
    assert found[:4] == [60, 120, 240, 480]
    assert found[-1] == 86_400


def test_an_unknown_code_is_refused():
    with pytest.raises(SettingsError, match="there is no such code; codes are empty"):
        asked_codes("rotten")


@pytest.mark.slow
def test_a_raised_limit_tries_again_what_it_refused_and_the_rest_is_still_told(place):
    put(place.photos / "C-1" / "a.jpg", photo_bytes(1))
    put(place.photos / "C-1" / "large.png", photo_bytes(3, "PNG") + b"\0" * 9000)
    put(place.photos / "C-2" / "wide.png", photo_bytes(2, "PNG"))
    put(place.photos / "C-2" / "text.jpg", b"this is no picture")
    tight = ("ingest.maximum_bytes=9000", "ingest.maximum_pixels=3071")
    first = place.ingest(*tight, "ingest.longest_side=32")
    codes = {"too_many_bytes": 1, "too_many_pixels": 2, "not_an_image": 1}
    assert first["counts"]["by_code"] == codes
    again = place.ingest(*tight)
    assert (again["status"], again["still_failing"], again["counts"]["skipped"]) == ("nothing_to_do", codes, 4)
    raised = place.ingest()
    assert (raised["counts"]["written"], raised["counts"]["failed"], raised["counts"]["skipped"]) == (3, 0, 1)
    assert raised["still_failing"] == {"not_an_image": 1}
    assert sorted(row.status for row in place.rows("photos")) == ["failed", "ok", "ok", "ok"]
    assert len(place.rows("photo_files")) == len(place.rows("claim_photos")) == 4
    asked = place.ingest(retry_failed="not_an_image")
    assert (asked["counts"]["failed"], "still_failing" in asked) == (1, False)
    attempts = {row.path[-8:]: row.attempts for row in place.rows("photo_files") if row.attempts is not None}
    assert attempts == {"text.jpg": 2}


def test_a_second_run_is_no_better_than_the_first(place):
    put(place.photos / "C-1" / "a.jpg", photo_bytes(1))
    for number in range(2):
        put(place.photos / "C-1" / f"{number}.pdf", b"no picture %d" % number)
    for _ in range(2):
        with pytest.raises(FailureRateError, match=r"2 of 3 rows failed \(not_an_image 2\).*ingest\.glob"):
            place.ingest("limits.failure_minimum=3")
    put(place.photos / "C-1" / "b.jpg", photo_bytes(2))
    with pytest.raises(FailureRateError, match="2 of 4 rows failed"):
        place.ingest("limits.failure_minimum=3")
    assert len(place.rows("claim_photos")) == 4  # of what could be read, and of what could not
    assert place.ingest("limits.failure_minimum=3", "ingest.glob=*.jpg")["status"] == "nothing_to_do"


@pytest.mark.slow
def test_what_a_file_held_before_is_let_go_and_its_history_kept(place):
    for number, name in enumerate(("a.jpg", "b.jpg", "c.jpg", "d.jpg")):
        put(place.photos / "C-1" / name, photo_bytes(number))
    place.ingest()
    before = {row.source_path[-5:]: row.photo_id for row in place.rows("claim_photos")}
    put(place.photos / "C-1" / "a.jpg", photo_bytes(9, "PNG"))
    os.utime(place.photos / "C-1" / "a.jpg", (1_000_000_000, 1_000_000_000))  # out of a backup
    (place.photos / "C-2").mkdir()
    (place.photos / "C-1" / "b.jpg").rename(place.photos / "C-2" / "b.jpg")
    taken = (place.photos / "C-1" / "c.jpg").stat().st_mtime_ns
    (place.photos / "C-1" / "c.jpg").unlink()
    report = place.ingest()
    assert (report["changed_files"], report["missing_files"], report["links"]["removed"]) == (1, 2, 3)
    now = {(row.claim_id, row.source_path[-5:]): row.photo_id for row in place.rows("claim_photos")}
    assert set(now) == {("C-1", "a.jpg"), ("C-2", "b.jpg"), ("C-1", "d.jpg")}
    assert now["C-1", "a.jpg"] != before["a.jpg"]
    ended = {(row.photo_id, row.reason) for row in place.rows("ended_links")}
    assert ended == {(before["a.jpg"], "replaced"), (before["b.jpg"], "gone"), (before["c.jpg"], "gone")}
    assert place.ingest()["status"] == "nothing_to_do"
    put(place.photos / "C-1" / "c.jpg", photo_bytes(2))
    os.utime(place.photos / "C-1" / "c.jpg", ns=(taken, taken))
    assert place.ingest()["returned_files"] == 1
    assert ("C-1", "c.jpg") in links_of(place)


@pytest.mark.slow
def test_a_source_that_is_away_takes_no_link_along(place):
    for number in range(3):
        put(place.photos / f"C-{number}" / "a.jpg", photo_bytes(number))
    put(place.folder / "other" / "C-9" / "z.jpg", photo_bytes(7))
    place.ingest()
    place.ingest(f"ingest.photos={place.folder}/other")
    place.photos.rename(place.folder / "away")
    place.photos.mkdir()
    with pytest.raises(InputError, match=r"3 of 3 known files are gone.*limits\.missing_rate=1.*ingest\.missing=keep"):
        place.ingest()
    assert place.ingest("ingest.missing=keep")["status"] == "nothing_to_do"
    assert len(place.rows("claim_photos")) == 4
    shutil.move(place.folder / "away" / "C-0", place.photos / "C-0")
    with pytest.raises(InputError, match="2 of 3 known files are gone"):
        place.ingest("limits.failure_minimum=3")
    gone = place.ingest("limits.missing_rate=1")
    assert (gone["missing_files"], gone["links"]["removed"]) == (2, 2)
    assert links_of(place) == {("C-0", "a.jpg"), ("C-9", "z.jpg")}
