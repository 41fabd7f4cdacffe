"""A host that ends or hangs in mid-work: no row is lost, and only the row that is to blame is marked."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from tests.unit.images.pictures import encoded, scenery
from tests.unit.inference.faulty_encoder import batch
from tests.unit.inference.host.hosts import hosts_apart
from udfs.inference.host import client, health, start
from udfs.inference.host.client import run_task
from udfs.models import ModelReference

KEY = "stub"
PHOTOS = [encoded(scenery(40, 30, seed)) for seed in range(4)]
DEADLY = encoded(Image.new("RGB", (40, 30), (90, 90, 90)))


@pytest.fixture(autouse=True)
def stubs(monkeypatch):
    """Hosts of these tests' own, with stand-ins for models."""
    monkeypatch.setattr(start, "SERVER", "tests.unit.inference.host.stub_host")
    with hosts_apart():
        yield


def embedded(name: str, batches, **options) -> list[dict]:
    reference = ModelReference(name, device="cpu", dtype="float32", **options)
    found = run_task(iter(batches), reference, KEY, "embed_photos", 2, cores=2, idle_seconds=5)
    return [row for result in found for row in result.to_pylist()]


def many(count: int, deadly: tuple[int, ...] = ()) -> list:
    photos = [DEADLY if number in deadly else PHOTOS[number % 4] for number in range(count)]
    return [batch("jpeg", photos[first : first + 10], first=first) for first in range(0, count, 10)]


def process(rows: list[dict]) -> int:
    return int(rows[0]["worker"].rpartition(":")[2])


def test_a_photo_that_crashes_the_process_is_found_and_nothing_else_is_marked():
    together = threading.Barrier(2)

    def task(deadly: tuple[int, ...]) -> list[dict]:
        together.wait()
        return embedded("crash", many(200, deadly))

    with ThreadPoolExecutor(2) as tasks:
        one, other = tasks.map(task, [(77,), ()])
    assert [row["entity_id"] for row in one] == [row["entity_id"] for row in other] == [f"id{n}" for n in range(200)]
    assert {row["status"] for row in other} == {"ok"}
    failed = [row for row in one if row["status"] != "ok"]
    assert [(row["entity_id"], row["error_code"], row["vector"]) for row in failed] == [
        ("id77", "decoder_crashed", None)
    ]
    assert failed[0]["error_detail"] == "Fatal Python error: Aborted"


def test_a_host_that_is_killed_costs_no_row_and_no_task():
    def source():
        yield from many(40)
        os.kill(process(embedded("good", many(10))), signal.SIGKILL)
        yield from many(40)

    rows = embedded("good", source())
    assert [row["status"] for row in rows] == ["ok"] * 80
    assert len({row["worker"] for row in rows}) == 2


@pytest.mark.slow
def test_a_task_under_which_every_host_ends_fails_in_one_line(monkeypatch):
    monkeypatch.setattr(client, "UNEXPLAINED", 0)

    def source():
        while True:
            yield from many(20)
            os.kill(process(embedded("good", many(10))), signal.SIGKILL)

    with pytest.raises(ConnectionError, match=r"ended while it was at work .*; the task is to be tried again") as told:
        embedded("good", source())
    assert "\n" not in str(told.value)


@pytest.mark.slow
def test_a_host_that_is_stopped_is_ended_within_the_deadline_and_a_retry_succeeds(monkeypatch):
    monkeypatch.setattr(health, "ANSWER_SECONDS", 1.0)
    stopped = process(embedded("good", many(10)))
    os.kill(stopped, signal.SIGSTOP)
    began = time.monotonic()
    assert {row["status"] for row in embedded("good", many(10), deadline_seconds=2.0)} == {
        "ok"
    }  # ended at its greeting
    assert time.monotonic() - began < 60

    def source():
        yield from many(40)
        os.kill(process(embedded("good", many(10))), signal.SIGSTOP)
        yield from many(400)

    with pytest.raises(ConnectionError, match=r"was ended, as it does not answer in 1 s; the task is to be") as told:
        embedded("good", source(), deadline_seconds=2.0)
    assert "\n" not in str(told.value)
    assert len(embedded("good", many(40), deadline_seconds=2.0)) == 40


@pytest.mark.slow
def test_a_host_that_is_slow_is_left_alone():
    rows = embedded("slow", many(10), deadline_seconds=2.0)
    assert [row["status"] for row in rows] == ["ok"] * 10
    assert len({row["worker"] for row in rows}) == 1
