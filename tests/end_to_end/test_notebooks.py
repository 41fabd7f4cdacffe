"""The notebooks run from the first cell to the last, with and without Databricks' own names, and hold no logic."""

import ast
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parent.parent.parent / "notebooks"
HEADER = "# Databricks notebook source"
SEPARATOR = "# COMMAND ----------"
MAGIC = "# MAGIC"


def cells_of(name):
    """The notebook's cells; the header must be there, or Databricks takes the file for a plain module."""
    text = (NOTEBOOKS / f"{name}.py").read_text(encoding="utf-8")
    header, _, rest = text.partition("\n")
    assert header == HEADER
    return [cell.strip("\n") for cell in rest.split(SEPARATOR)]


def code_cells(name):
    return [cell for cell in cells_of(name) if not cell.startswith(MAGIC)]


def run_cells(name, **given):
    """Run the code cells in order in one namespace, as a notebook does; returns the namespace."""
    namespace = {"__name__": "__main__", **given}
    for number, cell in enumerate(code_cells(name), start=1):
        exec(compile(cell, f"{name}, code cell {number}", "exec"), namespace)
    return namespace


class Widgets:
    """Databricks' widgets, as far as the notebooks use them."""

    def __init__(self, **chosen):
        self.chosen, self.values = chosen, {}

    def dropdown(self, name, default, choices):
        assert default in choices
        self.values[name] = self.chosen.get(name, default)

    def text(self, name, default):
        self.values[name] = self.chosen.get(name, default)

    def get(self, name):
        return self.values[name]


class Databricks:
    """The name `dbutils` of a Databricks notebook."""

    def __init__(self, **chosen):
        self.widgets = Widgets(**chosen)


@pytest.fixture(scope="module")
def quickstart(spark, tmp_path_factory):
    """The quickstart, run once as on a laptop, in an empty directory; its namespace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("notebooks"))
        patch.setenv("CLAIMLENS_PLACE", "demo")
        patch.setenv("CLAIMLENS_DEMO__CLAIMS", "12")
        # Among so few photos the demo's broken ones are many.
        patch.setenv("CLAIMLENS_LIMITS__FAILURE_RATE", "0.9")
        patch.setenv("CLAIMLENS_TRACKING__ENABLED", "false")
        yield run_cells("quickstart")


@pytest.mark.slow
def test_the_quickstart_runs_to_its_report(quickstart):
    done = quickstart["done"]
    assert done.status == "done"
    assert done.details["photos_embedded"] > 0
    assert [job["job"] for job in done.details["jobs"]] == [
        "ingest",
        "embed",
        "classify",
        "assess",
        "sync-index",
        "report",
    ]
    assert "What the claim photos show" in quickstart["page"].read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_search_tour_finds_with_every_kind_of_question(quickstart):
    tour = run_cells("search_tour")
    assert len(tour["by_sentence"].hits) == 5
    assert all(hit.severity == "severe" for hit in tour["filtered"].hits)
    assert tour["by_photo"].hits[0].entity_id == tour["photo"]["photo_id"], "a photo is most like itself"
    assert tour["by_both"].hits
    assert tour["page"].startswith("<!doctype html>")


@pytest.mark.slow
def test_the_search_tour_takes_its_widgets_and_shows_its_page_on_databricks(quickstart):
    shown = []
    dbutils = Databricks(place="demo", overrides="search.limit=3 report.near_duplicate_distance=2")
    tour = run_cells("search_tour", dbutils=dbutils, displayHTML=shown.append)
    assert tour["settings"].search.limit == 3
    assert tour["settings"].report.near_duplicate_distance == 2
    assert shown == [tour["page"]]


@pytest.mark.parametrize("name", ["quickstart", "search_tour"])
def test_a_notebook_holds_no_logic_of_its_own(name):
    """No function, class or loop over rows: whatever a notebook needs, a job must offer."""
    tree = ast.parse("\n".join(code_cells(name)))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.While | ast.Try), f"line {node.lineno}"


@pytest.mark.parametrize("name", ["quickstart", "search_tour"])
def test_every_cell_of_words_is_marked_as_such_on_each_line(name):
    cells = cells_of(name)
    words = [cell for cell in cells if cell.startswith(MAGIC)]
    assert words[0].startswith(f"{MAGIC} %md")
    assert all(line.startswith(MAGIC) for cell in words for line in cell.splitlines())
