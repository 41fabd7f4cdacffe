"""Record files and claims as Arrow batches: what Spark hands over, and what it gets back."""

from datetime import date, datetime

import pyarrow as pa

from udfs.functions.list_files import ABSENT
from udfs.functions.merge_records import merge_records
from udfs.functions.read_records import read_records, record_fields, table_records
from udfs.records.columns import Wanted
from udfs.records.form import Form

WANTED = Wanted({"claim_id": "number", "policy_id": "policy"}, ("claim_id", "policy_id"), ("claim_id",), "claim_id")


def rows_of(function, *batches):
    return [row for batch in function(iter(batches)) for row in batch.to_pylist()]


def test_files_are_read_by_their_paths_and_what_cannot_be_is_told(tmp_path):
    odd = tmp_path / "a:b [1]{x}\udce4.csv"
    odd.write_text("number,policy\n1.0,P\n")
    paths = [f"file:{tmp_path}/a:b [1]{{x}}\\xe4.csv", f"file:{tmp_path}", f"file:{tmp_path}/gone", "file:/shut"]
    batch = pa.record_batch({"path": paths, "problem": [None, None, ABSENT, "Permission denied"]})
    rows = rows_of(read_records(Form("csv"), WANTED), batch)
    names = [field.split()[0].strip("`") for field in record_fields(WANTED).split(", ")]
    assert list(rows[0]) == names
    assert (rows[0]["claim_id"], rows[0]["source"]) == ("1", paths[0])
    assert [(row["code"], row["number"]) for row in rows[1:]] == [
        (None, None),
        ("unreadable", None),
        ("absent", None),
        ("unreadable", None),
    ]
    assert "Permission denied" in rows[-1]["detail"]


def test_bytes_that_spark_has_read_are_taken_as_they_are():
    content = b'{"number": "7", "policy": "N/A"}\n' * 5000
    batch = pa.record_batch({"path": ["s3://bucket/a.json"], "problem": pa.nulls(1, pa.string()), "content": [content]})
    rows = rows_of(read_records(Form("json"), WANTED), batch)
    assert len(rows) == 5001
    assert (rows[4999]["number"], rows[4999]["line"], rows[4999]["flags"]) == (5000, 5000, "policy_id:not_a_key")


def test_rows_of_a_table_take_the_same_shape():
    batch = pa.record_batch(
        {"source": ["t", "t"], "number": [1, 2], "raw": ["{}", "{}"], "claim_id": ["1.0000001E7", "nan"]}
    )
    first, second = rows_of(table_records(WANTED), batch)
    assert (first["claim_id"], first["absent"], first["code"]) == ("10000001", "policy_id", None)
    assert second["code"] == "no_key"


def test_rows_of_one_claim_become_one_across_batches():
    columns = ("claim_id", "incident_date", "narrative")
    kinds = pa.schema(
        [
            ("claim_id", pa.string()),
            ("incident_date", pa.date32()),
            ("narrative", pa.string()),
            ("flags", pa.list_(pa.string())),
            ("raw", pa.string()),
            ("record_hash", pa.string()),
            ("given_at", pa.string()),
            ("version", pa.timestamp("us")),
            ("absent", pa.string()),
            ("stored", pa.bool_()),
        ]
    )

    def row(claim, day, narrative, *, absent="", stored=False):
        text = f"{claim}{day}{narrative}"
        fixed = {"flags": [], "raw": text, "record_hash": text, "given_at": None, "absent": absent, "stored": stored}
        time = datetime(2024, 5, day)
        return {"claim_id": claim, "incident_date": time.date(), "narrative": narrative, "version": time} | fixed

    rows = [
        row("C-1", 1, "x", stored=True),
        row("C-1", 2, None, absent="narrative"),
        row("C-2", 3, "y", stored=True),
        row("C-3", 4, "z"),
    ]
    batches = [pa.RecordBatch.from_pylist([each], schema=kinds) for each in rows]
    merged = rows_of(merge_records(columns), *batches)
    assert [(each["claim_id"], each["incident_date"], each["narrative"]) for each in merged] == [
        ("C-1", date(2024, 5, 2), "x"),
        ("C-3", date(2024, 5, 4), "z"),
    ]
    assert merged[0]["given_at"] == '{"narrative": "2024-05-01T00:00:00"}'
    assert not any(each["older"] for each in merged)
