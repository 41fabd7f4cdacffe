"""Claim records through ingest: odd files side by side, values, later deliveries, claims that are named no more."""

import gzip
import io
from dataclasses import replace
from datetime import date, datetime

import pytest
from PIL import Image
from pyspark.sql import functions as F

from jobs.ingest import run
from jobs.job.context import JobContext
from jobs.job.execution import JobFailedError, cause_of, execute
from jobs.lakehouse.contracts.claims import CLAIMS
from jobs.steps.ingest.claims import typed_claims
from tests.conftest import settings_in
from udfs.errors import InputError, TableContractError
from udfs.records.merging import MISSING

COLUMNS = (
    "ingest.claims.columns={claim_id: claim_no, policy_id: policy, reported_severity: severity, narrative: story, "
    "updated_at: changed}"
)


def ingest(folder, *overrides):
    context = JobContext.create(settings_in(folder, *overrides))
    try:
        return execute("ingest", run, context).as_dict(), context.lakehouse
    except JobFailedError as error:
        raise cause_of(error) from None


def csv_claims(path, *overrides):
    return f"ingest.claims.path={path}", "ingest.claims.format=csv", COLUMNS, *overrides


def claims_of(lakehouse):
    return {row.claim_id: row for row in lakehouse.read("claims").collect()}


def test_every_file_of_a_directory_is_read_by_its_own_form_and_faults_are_named(spark, tmp_path):
    folder = tmp_path / "claims"
    folder.mkdir()
    lines = ["claim_no,policy,severity,story", "C-1,P-1,Minor,first", 'C-2,P-2,Minor,"open', "C-3,P-3,Minor,third"]
    (folder / "1.csv").write_text("\n".join(lines))
    (folder / "2 [b].csv").write_bytes("story;policy;claim_no\nStoßstange;P-4;C-4\nx;P-5;C-5;Minor\n".encode("cp1252"))
    (folder / "3.csv").write_text("number,story\nC-9,lost\n")
    (folder / "4.csv").symlink_to("nowhere")
    packed = gzip.compress(b"claim_no,story\n" + b"".join(b"N-%d,%d\n" % (n, n * 7919) for n in range(9000)))
    (folder / "5.csv.gz").write_bytes(packed[:-2000])
    report, lakehouse = ingest(tmp_path, "ingest.links.kind=none", *csv_claims(folder))
    said, rows = report["claims"], claims_of(lakehouse)
    assert [rows[f"C-{n}"].policy_id for n in (1, 3, 4)] == ["P-1", "P-3", "P-4"]
    assert (rows["C-4"].narrative, list(rows["C-4"].flags)) == ("Sto\ufffdstange", ["narrative:encoding"])
    assert said["by_code"] == {"open_quote": 1, "field_count": 1}
    assert said["in"] == said["written"] + 2 == len(rows) + 2
    faults = {(fault["source"].rpartition("/")[2], fault["code"]) for fault in said["problems"]}
    assert faults == {("3.csv", "no_column"), ("4.csv", "unreadable"), ("5.csv.gz", "truncated")}
    (open_quote,) = [each for each in said["failed_records"] if each["code"] == "open_quote"]
    assert (open_quote["number"], open_quote["line"]) == (2, 3)
    assert "options.encoding" in said["doubtful_records"][0]["detail"]
    assert set(said["files_without_column"]) == {"policy", "severity"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("claim_no,story,claim_no\nC-1,a,b\n", "the column claim_no stands twice in the header of .*claims.csv"),
        ("number,story\nC-1,a\n", "no column claim_no; nearest are .*Correct ingest.claims.columns.claim_id"),
        ("PK\x03\x04", "Excel workbook; save it as CSV"),
        ("", "the file is empty"),
    ],
)
def test_a_file_of_which_nothing_can_be_read_is_one_line(spark, tmp_path, content, says):
    (tmp_path / "claims.csv").write_text(content)
    with pytest.raises(InputError, match=says) as refused:
        ingest(tmp_path, "ingest.links.kind=none", *csv_claims(tmp_path / "claims.csv"))
    assert "\n" not in str(refused.value)


def photo(shade):
    stream = io.BytesIO()
    Image.new("RGB", (48, 40), (shade, 90, 30)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.mark.slow
def test_later_deliveries_change_what_they_say_and_leave_the_rest(spark, tmp_path):
    for number in (1, 2):
        path = tmp_path / "photos" / f"{number}.0" / "a.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(photo(number))
    fixed = (f"ingest.photos={tmp_path}/photos",)
    (tmp_path / "1.json").write_text(
        '[{"claim_no": 1.0, "severity": "Minor", "story": "long", "changed": "2024-05-02T10:00:00Z"},'
        '{"claim_no": "2", "severity": "Minor", "story": "other", "changed": "2024-05-02"},'
        '{"claim_no": "NULL"}, {"claim_no": "NULL"}]'
    )
    source = ("ingest.claims.format=json", COLUMNS)
    first, lakehouse = ingest(tmp_path, *fixed, *source, f"ingest.claims.path={tmp_path}/1.json")
    assert (first["claims"]["failed"], first["claims"]["by_code"]) == (2, {"no_claim_id": 2})
    assert (first["links"]["links_to_unknown_claims"], first["links"]["claims_without_photo"]) == (0, 0)

    lines = ["changed,claim_no,severity", "2024-05-03,1,Major", "2024-05-01,2,Total Loss", "2024-05-01,3,Minor"]
    (tmp_path / "2.csv").write_text("\n".join(lines))
    second, lakehouse = ingest(tmp_path, *csv_claims(tmp_path / "2.csv"), *fixed)
    rows = claims_of(lakehouse)
    assert {key: (row.reported_severity, row.narrative) for key, row in rows.items()} == {
        "1": ("Major", "long"),
        "2": ("Minor", "other"),
        "3": ("Minor", None),
    }
    assert rows["1"].updated_at == datetime(2024, 5, 3)
    counted = {name: second["claims"][name] for name in ("new", "changed", "unchanged", "older", "missing")}
    assert counted == {"new": 1, "changed": 1, "unchanged": 1, "older": 1, "missing": 0}

    (tmp_path / "3.csv").write_text("changed,claim_no,severity\n2024-05-04,1,Major\n")
    flagged, lakehouse = ingest(tmp_path, *csv_claims(tmp_path / "3.csv", "ingest.claims.missing=flag"), *fixed)
    assert (flagged["status"], flagged["claims"]["missing_flagged"]) == ("done", 2)
    assert {key for key, row in claims_of(lakehouse).items() if MISSING in row.flags} == {"2", "3"}

    removed, lakehouse = ingest(tmp_path, *csv_claims(tmp_path / "3.csv", "ingest.claims.missing=remove"), *fixed)
    assert (removed["claims"]["missing_removed"], set(claims_of(lakehouse))) == (2, {"1"})
    assert {row.claim_id for row in lakehouse.read("claim_photos").collect()} == {"1"}
    assert {row.text for row in lakehouse.read("passages").collect()} == {"long"}


def typed(spark, tmp_path, rows, *overrides):
    """Values of claims as typed_claims makes them of texts: {claim_id: row}."""
    settings = settings_in(tmp_path, *overrides).ingest.claims
    names = [name for name in settings.columns if name in {"claim_id", "amount_total", "incident_date", "claimed_at"}]
    frame = spark.createDataFrame(
        [(f"{number}", *row) for number, row in enumerate(rows)],
        "claim_id STRING, amount_total STRING, incident_date STRING, claimed_at STRING",
    )
    for name in set(settings.columns) - set(names):
        frame = frame.withColumn(name, F.lit(None).cast("string"))
    place = {"source": "f", "raw": "{}", "flags": "", "absent": ""}
    frame = frame.withColumns({name: F.lit(value) for name, value in place.items()} | {"number": F.lit(1)})
    nothing = F.lit(None).cast("string")
    frame = frame.withColumns({"line": nothing, "code": nothing, "detail": nothing})
    return [row for _, row in sorted((int(row.claim_id), row) for row in typed_claims(frame, settings).collect())]


def test_amounts_are_numbers_or_flagged(spark, tmp_path):
    wrong = ["500F", "12D", "0x10", "1e400", "NaN", "Infinity", "1,5", "1.2.3", "12 €", "-", "."]
    right = {"1.234": 1.234, " 12.5\u00a0": 12.5, "+3": 3.0, "1E3": 1000.0, ".5": 0.5}
    rows = typed(spark, tmp_path, [(text, None, None) for text in (*wrong, *right)])
    flagged = [(row.amount_total, list(row.flags)) for row in rows[: len(wrong)]]
    assert flagged == [(None, ["amount_total:unparsed"])] * len(wrong)
    assert [row.amount_total for row in rows[len(wrong) :]] == list(right.values())
    german = {
        "1.234": 1234.0,
        "1.234,50": 1234.5,
        "12,5": 12.5,
        "1234,5": 1234.5,
        "7": 7.0,
        "1.23": None,
        "1,2,3": None,
    }
    rows = typed(spark, tmp_path, [(text, None, None) for text in german], "ingest.claims.decimal=,")
    assert [row.amount_total for row in rows] == list(german.values())


def test_dates_are_read_as_written_and_years_out_of_this_world_are_flagged(spark, tmp_path):
    times = {
        "2016-11-22T15:21:00Z": datetime(2016, 11, 22, 15, 21),
        "2016-11-22T15:21:00.123+02:00": datetime(2016, 11, 22, 15, 21, 0, 123000),
        "2016-11-22 15:21": datetime(2016, 11, 22, 15, 21),
        "22.11.2016": datetime(2016, 11, 22),
    }
    rows = typed(spark, tmp_path, [(None, None, text) for text in times])
    assert [row.claimed_at for row in rows] == list(times.values())
    worlds = {
        "0000-01-01": (None, ["incident_date:unparsed"]),
        "20166-01-01": (None, ["incident_date:unparsed"]),
        "2016-02-30": (None, ["incident_date:unparsed"]),
        "9999-12-31": (date(9999, 12, 31), ["incident_date:out_of_world"]),
        "0001-01-01": (None, ["incident_date:unparsed"]),
        "1700-01-01": (date(1700, 1, 1), ["incident_date:out_of_world"]),
        "1900-01-01": (date(1900, 1, 1), ["incident_date:sentinel"]),
        "2016-11-22": (date(2016, 11, 22), []),
    }
    rows = typed(spark, tmp_path, [(None, text, None) for text in worlds])
    assert [(row.incident_date, list(row.flags)) for row in rows] == list(worlds.values())


@pytest.mark.slow
def test_claims_of_contract_1_become_those_of_contract_2(lakehouse):
    added = {"updated_at", "given_at"}
    kept = tuple(column for column in CLAIMS.columns if column.name not in added)
    lakehouse._create(replace(CLAIMS, version=1, columns=kept))
    row = lakehouse.spark.createDataFrame([("C-1", "h", "r")], "claim_id string, record_hash string, run_id string")
    dated = row.withColumn("ingested_at", F.current_timestamp())
    dated.write.format("delta").mode("append").save(lakehouse.path("claims"))
    with pytest.raises(TableContractError, match="migrates it"):
        lakehouse.read("claims")
    for _ in range(2):  # a killed migration is run again from its beginning
        CLAIMS.migrations[1](lakehouse.spark, lakehouse.name("claims"))
    lakehouse.ensure("claims")
    (row,) = lakehouse.read("claims").collect()
    assert (row.claim_id, row.updated_at, row.given_at) == ("C-1", None, None)
