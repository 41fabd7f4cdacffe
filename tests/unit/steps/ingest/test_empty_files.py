"""Empty files at an address: those that Spark's own listing passes over, and no others."""

from jobs.settings.sections import IngestSettings
from jobs.steps.ingest.empty_files import empty_files


def test_empty_files_that_the_settings_cover(tmp_path):
    for name in ("a.jpg", "C-1/b.JPG", "C-1/c.txt", "_hidden/d.jpg", ".e.jpg", "_f.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "full.jpg").write_bytes(b"x")
    settings = {"photos": f"file://{tmp_path}", "glob": "*.{jpg,JPG}"}
    found = dict(empty_files(IngestSettings(**settings)))
    assert found.keys() == {f"file://{tmp_path}/a.jpg", f"file://{tmp_path}/C-1/b.JPG"}
    milliseconds = (tmp_path / "a.jpg").stat().st_mtime_ns // 1_000_000
    assert found[f"file://{tmp_path}/a.jpg"] == milliseconds * 1000
    assert len(dict(empty_files(IngestSettings(**settings, recursive=False)))) == 1
