"""Links follow their source: names that nearly fit, links that were withdrawn, deliveries in any order."""

import csv
import hashlib
import unicodedata
from itertools import permutations

import pytest
from pyspark.sql import functions as F

from jobs.job.context import JobContext
from jobs.lakehouse.writes import append_once
from jobs.steps.ingest.links import link_photos
from tests.conftest import settings_in
from tests.spark.rows import filled
from udfs.errors import InputError
from udfs.functions.name_forms import decoded, loose


class Linked:
    """Files as the tables know them, without any bytes, and metadata files that name them."""

    def __init__(self, spark, folder):
        self.spark, self.folder = spark, folder
        self.context = JobContext.create(settings_in(folder))
        self.context.lakehouse.ensure("photo_files", "photos", "claims", "claim_photos")

    def files(self, *paths):
        """Each path with a photo of its own; the same name after a + is the same photo."""
        rows = [
            (f"file:{self.folder}/{path.split('+')[0]}", hashlib.sha256(path.split("+")[-1].encode()).hexdigest())
            for path in paths
        ]
        frame = self.spark.createDataFrame(rows, "path string, photo_id string")
        frame = frame.withColumns({"modification_time": F.timestamp_seconds(F.lit(1)), "length": F.lit(1)})
        append_once(self.context.lakehouse, filled(frame, "photo_files"), "photo_files")

    def metadata(self, name, *pairs):
        with (self.folder / name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("image_name", "claim_no"), *pairs])

    def link(self, name, *overrides, photos="photos"):
        place = [] if photos is None else [f"ingest.photos={self.folder}/{photos}"]
        links = ["ingest.links.kind=metadata", f"ingest.links.path={self.folder}/{name}"]
        settings = settings_in(self.folder, *place, *links, *overrides)
        context = JobContext.create(settings)
        return link_photos(context)

    @property
    def links(self):
        rows = self.context.lakehouse.read("claim_photos").collect()
        return {(row.claim_id, row.source_path.removeprefix(f"file:{self.folder}/")) for row in rows}


@pytest.fixture
def linked(spark, tmp_path):
    return Linked(spark, tmp_path)


def test_one_form_of_a_name():
    assert loose("IMG_1.JPG") == "img_1.jpg"
    assert loose(unicodedata.normalize("NFD", "CAFÉ")) == loose("café") == "café"
    assert decoded("two%20words.jpg") == "two words.jpg"
    assert (loose(None), decoded(None), loose("")) == (None, None, "")


def test_names_that_nearly_fit_are_linked_where_only_one_file_can_be_meant_and_the_rest_named(linked):
    nfd = unicodedata.normalize("NFD", "x/café.jpg")
    linked.files(
        *(
            f"photos/{name}"
            for name in ("x/IMG_0001.JPG", "x/two words.jpg", nfd, "x/win.jpg", "x/noext.jpg", "x/ok.jpg")
        ),
        *(f"photos/{name}" for name in ("y/Same.jpg", "z/SAME.jpg", "C-1/a.jpg", "C-2/b.jpg", "100%25.jpg")),
    )
    linked.metadata(
        "links.csv",
        ("IMG_0001.jpg", "C-1"),
        ("two%20words.jpg", "C-2"),
        (unicodedata.normalize("NFC", "café.jpg"), "C-3"),
        (r"C:\Users\me\win.jpg", "C-4"),
        ("noext", "C-5"),
        ("./x/ok.jpg", "C-6"),
        ("same.jpg", "C-7"),
        ("C-2/a.jpg", "C-8"),
        (r"D:\export\C-1\b.jpg", "C-9"),
        (r"E:\other\C-2\b.jpg", "C-10"),
        ("IMG_0002.jpg", "C-11"),
        ("100%25.jpg", "C-12"),
    )
    counts, names = linked.link("links.csv")
    fitting = [("C-1", "x/IMG_0001.JPG"), ("C-2", "x/two words.jpg"), ("C-3", nfd), ("C-4", "x/win.jpg")]
    fitting += [("C-5", "x/noext.jpg"), ("C-6", "x/ok.jpg"), ("C-10", "C-2/b.jpg"), ("C-12", "100%25.jpg")]
    assert linked.links == {(claim, f"photos/{path}") for claim, path in fitting}
    assert (counts["names_nearly_fitting"], counts["ambiguous_names"], counts["names_without_file"]) == (6, 1, 3)
    (several,) = names["ambiguous_names"]
    assert several["name"] == "same.jpg"
    assert sorted(path.rpartition("/")[2] for path in several["files"]) == ["SAME.jpg", "Same.jpg"]
    nearest = {row["name"]: row["nearest"] for row in names["names_without_file"]}
    assert nearest.keys() == {"C-2/a.jpg", "D:/export/C-1/b.jpg", "IMG_0002.jpg"}
    assert nearest["IMG_0002.jpg"].endswith("x/IMG_0001.JPG")


def test_a_link_that_its_file_withdraws_ends_and_a_list_cut_short_takes_none_along(linked):
    linked.files("photos/a.jpg", "photos/b.jpg", "photos/c.jpg", "elsewhere/d.jpg")
    linked.metadata("links.csv", ("a.jpg", "C-1"), ("b.jpg", "C-2"), ("c.jpg", "C-3"))
    linked.metadata("others.csv", ("d.jpg", "C-9"))
    linked.link("others.csv", photos="elsewhere")
    linked.link("links.csv")
    linked.metadata("links.csv", ("a.jpg", "C-1"), ("c.jpg", "C-3"))
    counts, _ = linked.link("links.csv")
    assert (counts["written"], counts["removed"]) == (0, 1)
    ended = linked.context.lakehouse.read("ended_links").collect()
    assert [(row.claim_id, row.reason) for row in ended] == [("C-2", "withdrawn")]
    before = linked.links
    assert before == {("C-1", "photos/a.jpg"), ("C-3", "photos/c.jpg"), ("C-9", "elsewhere/d.jpg")}
    linked.metadata("links.csv")
    with pytest.raises(InputError, match=r"2 of 2 links that it named before are not in it.*limits\.missing_rate=1"):
        linked.link("links.csv")
    assert linked.links == before
    linked.link("links.csv", "limits.missing_rate=1")
    assert linked.links == {("C-9", "elsewhere/d.jpg")}


def test_a_bare_name_of_an_earlier_delivery_in_the_same_folder_is_told_and_not_taken(linked):
    linked.files("photos/b1/1.jpg", "photos/b1/2.jpg")
    linked.metadata("links1.csv", ("1.jpg", "C-1"), ("2.jpg", "C-2"))
    linked.link("links1.csv")
    linked.files("photos/b2/2.jpg", "photos/b2/3.jpg")
    linked.metadata("links2.csv", ("1.jpg", "C-8"), ("2.jpg", "C-9"), ("3.jpg", "C-10"))
    for _ in range(2):
        counts, names = linked.link("links2.csv")
        assert (counts["names_of_earlier_photos"], counts["ambiguous_names"]) == (1, 0)
        assert [row["name"] for row in names["names_of_earlier_photos"]] == ["1.jpg"]
        assert linked.links == {
            ("C-1", "photos/b1/1.jpg"),
            ("C-2", "photos/b1/2.jpg"),
            ("C-9", "photos/b2/2.jpg"),
            ("C-10", "photos/b2/3.jpg"),
        }


@pytest.mark.slow
def test_deliveries_in_any_order_end_in_the_same_links(spark, tmp_path):
    ended = []
    for number, order in enumerate(permutations(("b1", "b2", "b3"))):
        (tmp_path / str(number)).mkdir()
        linked = Linked(spark, tmp_path / str(number))
        linked.metadata("b1.csv", ("1.jpg", "C-1"), ("2.jpg", "C-2"), ("shared.jpg", "C-1"))
        linked.metadata("b2.csv", ("1.jpg", "C-8"), ("2.JPG", "C-9"), ("3", "C-10"), ("copy.jpg", "C-2"))
        linked.metadata("b3.csv", ("x/1.jpg", "C-11"), ("1.jpg", "C-12"), ("shared.jpg", "C-1"))
        held = {
            "b1": ("b1/1.jpg", "b1/2.jpg", "b1/shared.jpg+same"),
            "b2": ("b2/2.jpg", "b2/3.jpg", "b2/copy.jpg+same"),
            "b3": ("b3/x/1.jpg", "b3/y/1.jpg", "b3/shared.jpg+same"),
        }
        for name in order:
            linked.files(*held[name])
            linked.link(f"{name}.csv", photos=name)
        rows = linked.context.lakehouse.read("claim_photos").collect()
        ended.append({(row.claim_id, row.photo_id) for row in rows})
    assert len(ended[0]) == 7
    assert all(links == ended[0] for links in ended)
