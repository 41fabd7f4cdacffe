"""Listing on the executors: every file there is, whatever its name; what cannot be listed is said."""

import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from udfs.functions.list_files import (
    ABSENT,
    CIRCLE,
    FILES_SCHEMA,
    FOLDERS_SCHEMA,
    HIDDEN,
    NO_FILE,
    list_files,
    split_folders,
)
from udfs.functions.read_files import read_files

NOBODY = 65_534


def put(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def listed(place, *, glob="*", recursive=True, enough=2):
    folders = list(split_folders(str(place), recursive=recursive, enough=enough)(iter([])))
    assert all(batch.schema == FOLDERS_SCHEMA for batch in folders)
    batches = list(list_files(glob, recursive=recursive)(iter(folders)))
    assert all(batch.schema == FILES_SCHEMA for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def names(rows, root):
    assert not [row["problem"] for row in rows if row["problem"]]
    return sorted(row["path"].removeprefix(f"file:{root}/") for row in rows)


@pytest.mark.parametrize("enough", [1, 2, 5, 100])
def test_every_file_once_however_the_folders_are_shared_out(tmp_path, enough):
    wanted = ["a.jpg", "C-1/b.jpg", "C-1/deep/deeper/c.jpg", "C-2/d.jpg", "C-2/deep/e.jpg", "empty/f.jpg"]
    for name in wanted:
        put(tmp_path / name)
    (tmp_path / "nothing" / "below").mkdir(parents=True)
    assert names(listed(tmp_path, enough=enough), tmp_path) == sorted(wanted)
    assert names(listed(tmp_path, enough=enough, recursive=False), tmp_path) == ["a.jpg"]


def test_time_length_and_path_are_written_as_spark_writes_them(tmp_path):
    put(tmp_path / "zero.jpg", b"")
    path = put(tmp_path / "a.jpg", b"12345")
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    rows = {row["path"]: row for row in listed(tmp_path)}
    assert rows[f"file:{path}"] == {
        "path": f"file:{path}",
        "micros": 1_700_000_000_123_000,
        "length": 5,
        "problem": None,
    }
    assert rows[f"file:{tmp_path}/zero.jpg"]["length"] == 0


def test_names_that_other_programs_stumble_over(tmp_path):
    odd = ["e [2024]/a {x}*?.jpg", "2024-05-01 10:22:33.jpg", "zwei ü.jpg", "zwei u\u0308.jpg", "#1 100%20+.jpg"]
    odd += ["back\\slash.jpg", "new\nline.jpg", "_DSC0001.JPG", "_urgent/p.jpg"]
    for name in odd:
        put(tmp_path / name)
    assert names(listed(tmp_path), tmp_path) == sorted(odd)


@pytest.mark.parametrize("enough", [1, 100])
def test_what_is_left_out_is_told(tmp_path, enough):
    put(tmp_path / ".hidden" / "no.jpg")
    hidden = ("._resource.jpg", ".DS_Store", "_SUCCESS", "_committed_12")
    for name in (*hidden, "deep/.hidden.jpg"):
        put(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.jpg")
    rows = {row["path"].removeprefix(f"file:{tmp_path}/"): row["problem"] for row in listed(tmp_path, enough=enough)}
    assert rows == dict.fromkeys((*hidden, ".hidden", "deep/.hidden.jpg"), HIDDEN) | {"pipe.jpg": NO_FILE}
    shallow = listed(tmp_path, enough=enough, recursive=False, glob="*.jpg")
    assert sorted(row["problem"] for row in shallow) == [HIDDEN, NO_FILE]


def test_a_name_that_is_no_utf_8_is_listed_and_can_be_read(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    Path(os.fsdecode(raw)).write_bytes(b"latin")
    put(tmp_path / "literal\\xe9.jpg", b"written out")
    rows = listed(tmp_path)
    assert names(rows, tmp_path) == ["caf\\xe9.jpg", "literal\\xe9.jpg"]
    batch = pa.RecordBatch.from_pylist(rows, FILES_SCHEMA).select(["path"])
    read = [row for out in read_files(maximum_bytes=99, threads=2)(iter([batch])) for row in out.to_pylist()]
    assert {row["path"].rpartition("/")[2]: row["content"] for row in read} == {
        "caf\\xe9.jpg": b"latin",
        "literal\\xe9.jpg": b"written out",
    }


def test_globs_of_places_and_of_names(tmp_path):
    for name in ("2023/a.jpg", "2024/b.JPG", "2024/c.png", "2024/d.txt", "notes/e.jpg", "x [1]/f.jpg"):
        put(tmp_path / name)
    assert names(listed(f"{tmp_path}/20*"), tmp_path) == ["2023/a.jpg", "2024/b.JPG", "2024/c.png", "2024/d.txt"]
    assert names(listed(f"{tmp_path}/{{2023,notes}}"), tmp_path) == ["2023/a.jpg", "notes/e.jpg"]
    assert names(listed(f"{tmp_path}/x [1]"), tmp_path) == ["x [1]/f.jpg"]
    assert names(listed(f"{tmp_path}/x \\[?]"), tmp_path) == ["x [1]/f.jpg"]
    assert names(listed(tmp_path, glob="*.{jpg,JPG,p?g}"), tmp_path) == [
        "2023/a.jpg",
        "2024/b.JPG",
        "2024/c.png",
        "notes/e.jpg",
        "x [1]/f.jpg",
    ]
    assert names(listed(f"{tmp_path}/2024/b.JPG"), tmp_path) == ["2024/b.JPG"]


def test_a_place_where_nothing_is(tmp_path):
    assert [row["problem"] for row in listed(tmp_path / "nowhere")] == [ABSENT]
    assert [row["problem"] for row in listed(f"{tmp_path}/no*")] == [ABSENT]
    assert listed(tmp_path) == []


def test_links_are_followed_but_not_in_circles(tmp_path):
    put(tmp_path / "real" / "a.jpg")
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "real")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "itself").symlink_to("itself")
    rows = {row["path"].removeprefix(f"file:{tmp_path}/"): row["problem"] for row in listed(tmp_path)}
    assert rows.pop("itself") == "Too many levels of symbolic links"
    circles = dict.fromkeys(("real/up", "again/up"), CIRCLE)
    assert rows == dict.fromkeys(("again/a.jpg", "gone.jpg", "real/a.jpg")) | circles


def test_two_folders_that_link_to_each_other_are_told_once_each(tmp_path):
    for one, other in (("a", "b"), ("b", "a")):
        put(tmp_path / one / f"{one}.jpg")
        (tmp_path / one / "link").symlink_to(tmp_path / other)
    rows = {row["path"].removeprefix(f"file:{tmp_path}/"): row["problem"] for row in listed(tmp_path)}
    files = dict.fromkeys(("a/a.jpg", "b/b.jpg", "a/link/b.jpg", "b/link/a.jpg"))
    assert rows == files | dict.fromkeys(("a/link/link", "b/link/link"), CIRCLE)


def test_a_folder_that_may_not_be_read_is_told_and_the_rest_listed():
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        put(root / "C-1" / "a.jpg")
        put(root / "C-2" / "b.jpg")
        put(root / "C-2" / "deep" / "c.jpg")
        root.chmod(0o755)
        (root / "C-1").chmod(0)
        (root / "C-2" / "deep").chmod(0o444)
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(NOBODY)  # root may read everything
            rows = listed(root)
        finally:
            os.seteuid(user)
            (root / "C-1").chmod(0o700)
            (root / "C-2" / "deep").chmod(0o700)
    found = {row["path"].removeprefix(f"file:{root}/"): row["problem"] for row in rows}
    assert found == {
        "C-1": "Permission denied",
        "C-2/b.jpg": None,
        "C-2/deep/c.jpg": "Permission denied",
    }
