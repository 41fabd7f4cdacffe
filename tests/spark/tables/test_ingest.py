"""Ingest: every file gets its outcome, nothing is done twice, claims are kept, typed and flagged."""

import csv
import io
import json
import os
import shutil
from datetime import date, datetime
from functools import partial

import pytest
from PIL import Image

from jobs.ingest import run
from jobs.job.context import JobContext
from jobs.job.execution import JobFailedError, cause_of, execute
from jobs.job.report import Counts
from jobs.job.retries import retries_of
from jobs.steps.ingest.links import link_photos
from jobs.steps.ingest.photos import ingest_photos
from jobs.steps.ingest.plan import stage_plan
from tests.conftest import settings_in
from udfs.errors import FailureRateError, InputError


def photo_bytes(shade, kind="JPEG"):
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((64, 48)).point(lambda value: (value + shade) % 256).convert("RGB").save(
        stream, kind
    )
    return stream.getvalue()


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


CLAIM = {
    "claim_no": "C-1",
    "policy_no": "0071",
    "chassis_no": "AS PER LIST ATCHD.",
    "claim_datetime": "2016-11-22 15:21:00",
    "incident": {"date": "06-08-2016", "hour": 20, "type": "Parked Car", "severity": "Minor Damage"},
    "driver": {"age": 0.0, "license_issue_date": "01-01-1900"},
    "claim_amount": {"total": 100, "injury": -5},
}


class Place:
    """One lakehouse with an input folder, ingested as a user would."""

    def __init__(self, spark, folder):
        self.spark, self.folder, self.photos = spark, folder, folder / "photos"
        self.photos.mkdir()

    def ingest(self, *overrides, dry_run=False, retry_failed=None):
        settings = settings_in(self.folder, f"ingest.photos={self.photos}", *overrides)
        self.context = JobContext.create(settings, dry_run=dry_run)
        try:
            return execute("ingest", partial(run, retry_failed=retry_failed), self.context).as_dict()
        except JobFailedError as error:
            raise cause_of(error) from None

    def claims(self, records):
        path = self.folder / "claims.json"
        path.write_text(json.dumps(records))
        return f"ingest.claims.path={path}"

    def rows(self, table):
        return self.context.lakehouse.read(table).collect()


@pytest.fixture
def place(spark, tmp_path):
    return Place(spark, tmp_path)


def test_files_become_photos_once_and_links_follow_the_path(place):
    put(place.photos / "C-1" / "a photo [1]{x} 100%20+é.jpg", photo_bytes(1))
    put(place.photos / "C-2" / "same.jpg", photo_bytes(1))
    put(place.photos / "C-2" / "zero.jpg", b"")
    put(place.photos / "C-3" / "text.jpg", b"this is no picture, whatever its name says")
    put(place.photos / "C-3" / "cut.jpg", photo_bytes(2)[:-200])
    put(place.photos / "C-3" / "large.png", photo_bytes(3) + b"\0" * 9000)
    plan = place.ingest("ingest.maximum_bytes=9000", dry_run=True)
    assert (plan["status"], plan["pending"]["photo_files"]) == ("dry_run", 6)
    assert not (place.folder / "lakehouse").exists()
    first = place.ingest("ingest.maximum_bytes=9000", place.claims([CLAIM]))
    assert first["counts"] == {
        "in": 6,
        "written": 2,
        "skipped": 0,
        "failed": 4,
        "by_code": {"empty": 1, "not_an_image": 1, "truncated": 1, "too_many_bytes": 1},
    }
    assert (first["status"], first["files_discovered"], first["changed_files"]) == ("done", 6, 0)
    assert first["links"] == {
        "written": 6,
        "removed": 0,
        "photos_without_claim": 0,
        "claims_without_photo": 0,
        "links_to_unknown_claims": 5,
    }
    photos = {row.photo_id: row for row in place.rows("photos")}
    assert len(photos) == 5
    same = [row for row in place.rows("claim_photos") if photos[row.photo_id].status == "ok"]
    assert {row.claim_id for row in same} == {"C-1", "C-2"}
    assert len({row.photo_id for row in same}) == 1
    assert any(row.source_path.endswith("/C-1/a photo [1]{x} 100%20+é.jpg") for row in same)
    assert photos[same[0].photo_id].original_format.lower() == "jpeg"
    second = place.ingest("ingest.maximum_bytes=9000", place.claims([CLAIM]))
    assert second["status"] == "nothing_to_do"
    assert second["versions_out"] == first["versions_out"]
    assert second["still_failing"] == first["counts"]["by_code"]
    assert second["counts"] == {"in": 6, "written": 0, "skipped": 6, "failed": 0, "by_code": {}}
    assert (len(place.rows("photos")), len(place.rows("photo_files")), len(place.rows("claim_photos"))) == (5, 6, 6)


@pytest.mark.slow
def test_only_new_and_changed_files_are_read_and_copies_are_not_decoded_again(place):
    put(place.photos / "C-1" / "a.jpg", photo_bytes(1))
    place.ingest("ingest.wave_photos=1")
    put(place.photos / "C-1" / "a.jpg", photo_bytes(70, "PNG"))
    os.utime(place.photos / "C-1" / "a.jpg", (2_000_000_000, 2_000_000_000))
    put(place.photos / "C-2" / "copy.jpg", photo_bytes(1))
    again = place.ingest("ingest.wave_photos=1")
    assert again["counts"] == {"in": 3, "written": 2, "skipped": 1, "failed": 0, "by_code": {}}
    assert (again["files_discovered"], again["changed_files"]) == (1, 1)
    runs = [row.run_id for row in place.rows("photos")]
    assert sorted(runs.count(run_id) for run_id in set(runs)) == [1, 1]


@pytest.mark.slow
def test_a_file_that_is_gone_before_it_is_read_keeps_a_row_and_is_read_when_it_is_back(place):
    put(place.photos / "C-1" / "a.jpg", photo_bytes(1))
    put(place.photos / "C-1" / "b.jpg", photo_bytes(2))
    away = place.photos / "C-1" / "b.jpg"
    moved = away.rename(place.folder / "b.jpg")
    away.symlink_to(moved)
    moved.rename(place.folder / "moved.jpg")  # listed, and not to be opened
    first = place.ingest("ingest.links.kind=path_pattern")
    assert (first["counts"]["in"], first["counts"]["by_code"]) == (2, {"unreadable": 1})
    again = place.ingest()
    assert (again["counts"]["skipped"], again["counts"]["by_code"]) == (1, {"unreadable": 1})
    away.unlink()
    status = away.parent.stat()
    shutil.copy2(place.folder / "moved.jpg", away)
    os.utime(place.photos / "C-1", (status.st_atime, status.st_mtime))
    third = place.ingest()
    assert third["counts"]["by_code"] == {}


@pytest.mark.slow
def test_an_outage_fails_the_job_and_the_next_run_reads_every_file(place):
    for number in range(100):
        put(place.photos / f"C-{number % 7}" / f"{number}.jpg", photo_bytes(number))
    context = JobContext.create(settings_in(place.folder, f"ingest.photos={place.photos}"))
    context.lakehouse.ensure("photos", "photo_files", "claim_photos")
    retries = retries_of(context, None)
    plan, staged = stage_plan(context, context.pin("photos", "photo_files"), 2, retries)
    place.photos.rename(place.folder / "away")
    with pytest.raises(FailureRateError, match="unreadable 100"):
        ingest_photos(context, plan, Counts(), retries)
    assert context.lakehouse.read("photos").count() == 0
    for wave in staged:
        wave.discard()
    (place.folder / "away").rename(place.photos)
    back = place.ingest()
    assert (back["counts"]["in"], back["counts"]["written"], back["counts"]["failed"]) == (100, 100, 0)


@pytest.mark.slow
def test_files_that_an_outage_made_fail_are_tried_again(place):
    for number in range(100):
        put(place.photos / f"C-{number % 7}" / f"{number}.jpg", photo_bytes(number))
    context = JobContext.create(settings_in(place.folder, f"ingest.photos={place.photos}", "limits.failure_rate=1"))
    context.lakehouse.ensure("photos", "photo_files", "claim_photos")
    retries = retries_of(context, None)
    plan, staged = stage_plan(context, context.pin("photos", "photo_files"), 2, retries)
    place.photos.rename(place.folder / "away")
    counts = ingest_photos(context, plan, Counts(), retries)
    assert (counts.rows_in, counts.failed) == (100, 100)
    link_photos(context)
    assert context.lakehouse.read("claim_photos").count() == 100
    for wave in staged:
        wave.discard()
    (place.folder / "away").rename(place.photos)
    back = place.ingest()
    assert back["counts"] == {"in": 100, "written": 100, "skipped": 0, "failed": 0, "by_code": {}}
    assert {row.status for row in place.rows("photos")} == {"ok"}
    photos = {row.photo_id for row in place.rows("photos")}
    assert len(place.rows("photo_files")) == 100
    assert {row.photo_id for row in place.rows("claim_photos")} == photos
    assert place.ingest()["status"] == "nothing_to_do"


@pytest.mark.slow
def test_places_without_photos_have_clear_outcomes(place, tmp_path):
    empty = place.ingest()
    assert (empty["status"], empty["counts"]["in"]) == ("nothing_to_do", 0)
    assert str(place.photos) in empty["note"]
    with pytest.raises(InputError, match=r"ingest\.photos = .*nowhere") as refused:
        place.ingest(f"ingest.photos={tmp_path}/nowhere")
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match=r"ingest\.claims\.path = .*nowhere"):
        place.ingest(f"ingest.claims.path={tmp_path}/nowhere.json")


def test_too_many_failures_fail_the_job_and_keep_what_was_done(place):
    for number in range(3):
        put(place.photos / "C" / f"{number}.jpg", b"no picture %d" % number)
    with pytest.raises(FailureRateError, match="not_an_image 3"):
        place.ingest("limits.failure_minimum=1")
    assert len(place.rows("photos")) == 3


def test_claims_are_typed_flagged_and_updated_only_when_they_change(place):
    other = {**CLAIM, "claim_no": "C-2", "claim_datetime": "22.11.2016", "incident": {"date": "31-02-2016", "hour": 25}}
    older = {**CLAIM, "claim_no": "C-3", "policy_no": "old", "claim_datetime": "2015-01-01 00:00:00"}
    newer = {**older, "policy_no": "new", "claim_datetime": "2017-01-01T08:00:00"}
    nameless = {**CLAIM, "claim_no": "  "}
    source = [CLAIM, CLAIM, other, older, newer, nameless]
    report = place.ingest(place.claims(source))["claims"]
    assert (report["in"], report["written"], report["duplicates"], report["failed"]) == (6, 3, 2, 1)
    assert report["failed_records"][0]["number"] == 6
    assert "narrative" in report["missing_columns"]
    rows = {row.claim_id: row for row in place.rows("claims")}
    first = rows["C-1"]
    assert (first.policy_id, first.vehicle_id) == ("0071", "AS PER LIST ATCHD.")
    assert (first.incident_date, first.license_issue_date) == (date(2016, 8, 6), date(1900, 1, 1))
    assert first.claimed_at == datetime(2016, 11, 22, 15, 21)
    assert (first.driver_age, first.amount_injury) == (0.0, -5.0)
    assert set(first.flags) == {
        "vehicle_id:not_a_key",
        "driver_age:zero",
        "license_issue_date:sentinel",
        "amount_injury:negative",
    }
    assert rows["C-2"].claimed_at == datetime(2016, 11, 22)
    assert rows["C-2"].incident_date is None
    assert {"incident_date:unparsed", "incident_hour:out_of_range"} <= set(rows["C-2"].flags)
    assert rows["C-3"].policy_id == "new"
    assert "claim_id:duplicate" in rows["C-3"].flags
    changed = place.ingest(place.claims([{**CLAIM, "policy_no": "0072"}, *source[2:]]))["claims"]
    assert (changed["new"], changed["changed"], changed["unchanged"]) == (0, 1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet", "delta"])
def test_claims_of_every_format(place, spark, kind):
    path = place.folder / "claims_in"
    frame = spark.createDataFrame(
        [("C-1", "007", "25-01-2015"), ("C-9", "008", "?")], "number string, policy string, day string"
    )
    writer = frame.coalesce(1).write.format(kind)
    (writer.option("header", "true") if kind == "csv" else writer).save(str(path))
    report = place.ingest(
        "ingest.photos=null",
        "ingest.links.kind=none",
        f"ingest.claims.path={path}",
        f"ingest.claims.format={kind}",
        "ingest.claims.columns.claim_id=number",
        "ingest.claims.columns.policy_id=policy",
        "ingest.claims.columns.incident_date=day",
    )
    assert (report["status"], report["claims"]["written"], report["counts"]["in"]) == ("done", 2, 0)
    rows = {row.claim_id: row for row in place.rows("claims")}
    assert (rows["C-1"].policy_id, rows["C-1"].incident_date) == ("007", date(2015, 1, 25))
    assert list(rows["C-9"].flags) == ["incident_date:unparsed"]


@pytest.mark.slow
def test_links_by_a_metadata_file(place):
    put(place.photos / "x" / "one.jpg", photo_bytes(1))
    put(place.photos / "x" / "twice.jpg", photo_bytes(2))
    put(place.photos / "y" / "twice.jpg", photo_bytes(3))
    with (place.folder / "links.csv").open("w", newline="") as stream:
        lines = [("image_name", "claim_no")]
        lines += [("one.jpg", f"C-{number}") for number in range(1, 4)]
        lines += [("twice.jpg", "C-1"), ("y/twice.jpg", "C-2"), ("absent.jpg", "C-1"), ("", "C-1")]
        csv.writer(stream).writerows(lines)
    report = place.ingest(
        place.claims([CLAIM, {**CLAIM, "claim_no": "C-9"}]),
        "ingest.links.kind=metadata",
        f"ingest.links.path={place.folder}/links.csv",
    )
    assert report["links"] == {
        "written": 4,
        "removed": 0,
        "names_without_file": 1,
        "ambiguous_names": 1,
        "names_nearly_fitting": 0,
        "names_of_earlier_photos": 0,
        "rows_without_key": 1,
        "photos_without_claim": 1,
        "claims_without_photo": 1,
        "links_to_unknown_claims": 3,
    }


def test_a_missing_claim_column_is_named_with_its_neighbours(place):
    with pytest.raises(InputError, match=r"no column claim_no; nearest are claim_number"):
        place.ingest(place.claims([{"claim_number": "C-1"}]))


def links_of(place):
    return {(row.claim_id, row.source_path.rpartition("/")[2]) for row in place.rows("claim_photos")}


def metadata(place, name, *pairs):
    with (place.folder / name).open("w", newline="") as stream:
        csv.writer(stream).writerows([("image_name", "claim_no"), *pairs])
    return "ingest.links.kind=metadata", f"ingest.links.path={place.folder}/{name}"


@pytest.mark.slow
def test_a_corrected_link_and_a_replaced_photo_leave_nothing_behind(place):
    put(place.photos / "a.jpg", photo_bytes(1))
    put(place.photos / "b.jpg", photo_bytes(2))
    place.ingest(*metadata(place, "links.csv", ("a.jpg", "C-1"), ("b.jpg", "C-2")))
    corrected = metadata(place, "corrected.csv", ("a.jpg", "C-2"), ("b.jpg", "C-1"))
    report = place.ingest(*corrected)["links"]
    assert (report["written"], report["removed"]) == (2, 2)
    assert links_of(place) == {("C-2", "a.jpg"), ("C-1", "b.jpg")}
    put(place.photos / "a.jpg", photo_bytes(3, "PNG"))
    assert place.ingest(*corrected)["links"]["removed"] == 1
    assert links_of(place) == {("C-2", "a.jpg"), ("C-1", "b.jpg")}
    assert len(place.rows("claim_photos")) == 2
    assert place.ingest(*corrected)["status"] == "nothing_to_do"


@pytest.mark.slow
def test_a_delivery_links_its_own_photos_and_leaves_those_of_an_earlier_one(place):
    first, second = place.photos / "b1", place.photos / "b2"
    put(first / "1.jpg", photo_bytes(1))
    put(first / "2.jpg", photo_bytes(2))
    put(second / "2.jpg", photo_bytes(3))
    put(second / "3.jpg", photo_bytes(4))
    place.ingest(f"ingest.photos={first}", *metadata(place, "links1.csv", ("1.jpg", "C-1"), ("2.jpg", "C-2")))
    links = metadata(place, "links2.csv", ("1.jpg", "C-8"), ("2.jpg", "C-9"), ("3.jpg", "C-10"))
    report = place.ingest(f"ingest.photos={second}", *links)["links"]
    assert (report["names_without_file"], report["ambiguous_names"], report["removed"]) == (1, 0, 0)
    found = {(row.claim_id, row.source_path.split("photos/")[1]) for row in place.rows("claim_photos")}
    assert found == {("C-1", "b1/1.jpg"), ("C-2", "b1/2.jpg"), ("C-9", "b2/2.jpg"), ("C-10", "b2/3.jpg")}


@pytest.mark.slow
def test_what_is_unchanged_is_not_read_again_and_what_changed_is(place):
    put(place.photos / "C-1" / "a.jpg", photo_bytes(1))
    first = place.ingest(place.claims([CLAIM]))
    again = place.ingest(place.claims([CLAIM]))
    assert (again["status"], again["claims"]["unchanged"]) == ("nothing_to_do", 1)  # written anew, as it was
    same = place.ingest(f"ingest.claims.path={place.folder}/claims.json")
    assert (same["status"], same["claims"]["in"], same["claims"]["unchanged"]) == ("nothing_to_do", 1, 1)
    assert same["links"] == first["links"] | {"written": 0}
    place.context.lakehouse.spark.sql(f"DELETE FROM {place.context.lakehouse.name('claim_photos')}").collect()
    place.context.lakehouse.spark.sql(f"DELETE FROM {place.context.lakehouse.name('claims')}").collect()
    lost = place.ingest(f"ingest.claims.path={place.folder}/claims.json")
    assert (lost["claims"]["new"], lost["links"]["written"]) == (1, 1)


@pytest.mark.slow
def test_a_folder_that_cannot_be_listed_is_counted_and_the_rest_ingested(place):
    put(place.photos / "C-2" / "b.jpg", photo_bytes(1))
    (place.photos / "C-1").symlink_to("C-1")  # a circle: the system refuses to look at it, even for root
    report = place.ingest()
    assert report["counts"]["by_code"] == {"unreadable": 1}
    assert report["counts"]["written"] == 1


@pytest.mark.slow
def test_csv_files_of_one_directory_keep_each_its_own_header(place):
    folder = place.folder / "deliveries"
    put(folder / "1.csv", b"number,policy,story\nC-1,P-1,first\n")
    put(folder / "2 [b].csv", b"policy,number\nP-2,C-2\n")
    report = place.ingest(
        "ingest.links.kind=none",
        f"ingest.claims.path={folder}",
        "ingest.claims.format=csv",
        "ingest.claims.columns={claim_id: number, policy_id: policy, narrative: story}",
    )
    assert report["claims"]["written"] == 2
    found = {(row.claim_id, row.policy_id, row.narrative) for row in place.rows("claims")}
    assert found == {("C-1", "P-1", "first"), ("C-2", "P-2", None)}
