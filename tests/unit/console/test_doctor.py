"""What the doctor says of a machine, and that it prints names and keys unbroken. The place is looked at end to end."""

import errno
import io
import os

import pytest
from rich.console import Console

from jobs.console.check import Check, guarded
from jobs.console.doctor import print_checks
from jobs.console.machine_checks import gpu_amount, index_folder, memory_limits, photo_formats
from jobs.console.place_checks import followed
from jobs.settings.load import load_settings


@pytest.mark.parametrize(
    ("values", "state", "words"),
    [
        ({}, "ok", "no GPUs"),
        ({"executor.resource.gpu": "1", "cores": "8", "task.resource.gpu": "0.125"}, "ok", "8 tasks"),
        ({"executor.resource.gpu": "1", "cores": "8", "task.resource.gpu": "1"}, "advice", "Set it to 0.125"),
        ({"executor.resource.gpu": "2", "cores": "8", "cpus": "2", "task.resource.gpu": "0.1"}, "advice", "to 0.5"),
        ({"executor.resource.gpu": "1", "cores": "4"}, "advice", "Set it to 0.25"),
        ({"executor.resource.gpu": "1", "task.resource.gpu": "1"}, "advice", "spark.executor.cores"),
    ],
)
def test_the_gpus_of_a_task_follow_from_gpus_and_cores(values, state, words):
    names = {
        "spark.executor.resource.gpu.amount": "executor.resource.gpu",
        "spark.task.resource.gpu.amount": "task.resource.gpu",
        "spark.executor.cores": "cores",
        "spark.task.cpus": "cpus",
    }
    check = gpu_amount(lambda key: values.get(names[key]))
    assert check.state == state
    assert words in f"{check.found} {check.mend}"


def test_the_reader_of_what_iphones_write_is_named(monkeypatch):
    monkeypatch.setattr("udfs.images.decode.heif_reader", lambda: True)
    assert "HEIF by pi-heif" in photo_formats().found
    monkeypatch.setattr("udfs.images.decode.heif_reader", lambda: False)
    check = photo_formats()
    assert check.state == "missing"
    assert "pip install pi-heif" in check.mend


def test_a_memory_limit_that_models_would_inherit_is_named():
    check = memory_limits(lambda _: "2g")
    assert check.state == "advice"
    assert "spark.executor.pyspark.memory is 2g" in check.found


def test_a_folder_of_this_machine_bears_an_index_and_nothing_stays_there(tmp_path):
    settings = load_settings("local", [f"index.root={tmp_path}/not/there/yet"])
    assert index_folder(settings).state == "ok"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "words"), [(errno.ENOTSUP, "no link or rename"), (errno.EPERM, "cannot write")])
def test_a_folder_without_links_is_named_with_the_way_out(tmp_path, monkeypatch, number, words):
    """As on a mounted volume, which has neither."""

    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)
    check = index_folder(load_settings("local", [f"index.root={tmp_path}/index"]))
    assert check.state == "wrong"
    assert words in check.found
    assert "index.root" in check.mend
    assert list(tmp_path.iterdir()) == []


def test_an_error_without_words_is_a_finding_too():
    def fails():
        raise TimeoutError

    assert guarded("gpu", fails).found == "TimeoutError: TimeoutError"


def test_other_keys_beside_the_tables_are_passed_over():
    assert followed('{"photos": {"id": "a", "version": 7}, "head_key": "abc", "salt": null}') == {"photos": 7}


def test_keys_and_paths_are_not_broken_in_a_narrow_terminal():
    stream = io.StringIO()
    key = "0123456789abcdef" * 8
    print_checks([Check("model", "missing", f"key {key}", f"look for {key}")], Console(file=stream, width=40))
    assert stream.getvalue().count(key) == 2
