"""Photos that crash, hang or fill their decoder: a row with a code each, and nothing else is touched."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.unit.images.decoders.faulty_server import CRASH, FILL, GIANT, HANG, KILLED, LEAK, LEAKED, LEAVE, SLEEP, STOP
from tests.unit.images.pictures import LIMITS, encoded, quarters, scenery
from udfs.images.decoders import start
from udfs.images.decoders.pool import Decoders, is_computing
from udfs.images.sanitise import sanitise
from udfs.outcome import ErrorCode, Status

MEMORY = 200_000_000
HARSH = replace(LIMITS, maximum_seconds=1.0, maximum_memory=MEMORY)
GOOD = encoded(scenery())


@pytest.fixture(scope="module")
def faulty():
    """Decoders that do what hostile files ask for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start, "SERVER", "tests.unit.images.decoders.faulty_server")
        decoders = Decoders()
        decoders.sanitise(GOOD, HARSH)
    yield decoders
    decoders.close()


def children_of(pid: int) -> set[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return {int(word) for word in found.stdout.split()}


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (CRASH, ErrorCode.DECODER_CRASHED, "SIGSEGV"),
        (LEAVE, ErrorCode.DECODER_CRASHED, "exit status 3"),
        (HANG, ErrorCode.DECODER_TIMEOUT, "1 s, which ingest.maximum_seconds allows"),
        (SLEEP, ErrorCode.DECODER_TIMEOUT, "1 s, which ingest.maximum_seconds allows"),
        (STOP, ErrorCode.DECODER_TIMEOUT, "1 s, which ingest.maximum_seconds allows"),
        (KILLED, ErrorCode.TOO_MUCH_MEMORY, "where memory runs out"),
        pytest.param(
            FILL,
            ErrorCode.TOO_MUCH_MEMORY,
            "not enough memory",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="no other system counts it"),
        ),
    ],
)
def test_what_a_file_does_to_its_decoder_is_its_code(faulty, content, code, said):
    photo = faulty.sanitise(content, HARSH)
    assert (photo.status, photo.error_code, photo.original_format) == (Status.FAILED, code, "JPEG")
    assert said in photo.error_detail
    assert faulty.sanitise(GOOD, HARSH) == sanitise(GOOD, HARSH)


def test_who_computes_is_told_from_who_waits():
    assert is_computing(os.getpid())
    with subprocess.Popen(["sleep", "60"]) as asleep:
        time.sleep(0.2)
        assert not is_computing(asleep.pid)
        asleep.kill()


def test_a_hundred_crashes_among_a_thousand_photos(faulty, monkeypatch):
    import pyarrow as pa

    from udfs.functions import sanitise as function

    monkeypatch.setattr(function, "decoders", lambda: faulty)
    contents = [CRASH if number % 10 == 3 else encoded(quarters(8, 8)) for number in range(1000)]
    batch = pa.record_batch(
        {"photo_id": [str(number) for number in range(1000)], "content": pa.array(contents, pa.binary())}
    )
    (out,) = function.sanitise_batches(LIMITS)(iter([batch]))
    assert out.column("photo_id").to_pylist() == [str(number) for number in range(1000)]
    codes = out.column("error_code").to_pylist()
    assert codes == ["decoder_crashed" if number % 10 == 3 else None for number in range(1000)]


def test_giants_go_one_after_the_other_and_waiting_is_no_time_of_theirs(faulty):
    limits = replace(LIMITS, maximum_seconds=0.5)
    with ThreadPoolExecutor(3) as threads:
        photos = list(threads.map(lambda _: faulty.sanitise(GIANT, limits), range(3)))
    spans = sorted(tuple(map(float, photo.error_detail.split()[-2:])) for photo in photos)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_an_answer_is_the_one_of_the_same_process(faulty):
    for content in (GOOD, GOOD[:3000], b"text", b"", encoded(quarters(), "PNG")):
        assert faulty.sanitise(content, LIMITS) == sanitise(content, LIMITS)
        assert faulty.sanitise(memoryview(content), LIMITS) == sanitise(content, LIMITS)


def test_a_decoder_is_used_again():
    decoders = Decoders()
    try:
        decoders.sanitise(GOOD, LIMITS)
        (server,) = children_of(os.getpid()) & {decoders._server._process.pid}
        first = children_of(server)
        for _ in range(20):
            decoders.sanitise(GOOD, LIMITS)
        assert len(first) == 1
        assert children_of(server) == first
    finally:
        decoders.close()
    assert not is_there(server)
    assert not is_there(first.pop())


def test_a_server_that_was_ended_is_replaced():
    decoders = Decoders()
    try:
        decoders.sanitise(GOOD, LIMITS)
        process = decoders._server._process
        for pid in (process.pid, *children_of(process.pid)):
            os.kill(pid, signal.SIGKILL)
        assert decoders.sanitise(GOOD, LIMITS).status == Status.OK
    finally:
        decoders.close()


@pytest.mark.skipif(sys.platform != "linux", reason="no other system counts it")
def test_memory_that_a_decoder_has_lost_does_not_fail_the_photos_after_it(faulty):
    for _ in range(2 * MEMORY // LEAKED):
        assert faulty.sanitise(LEAK, HARSH).error_code == ErrorCode.TRUNCATED


WORKER = """
import os, sys, threading
from udfs.images.decoders import start
start.SERVER = "tests.unit.images.decoders.faulty_server"
from tests.unit.images.decoders.faulty_server import HANG
from tests.unit.images.pictures import LIMITS, encoded, quarters
from udfs.images.decoders.pool import decoders
from dataclasses import replace
decoders().sanitise(encoded(quarters()), LIMITS)
threading.Thread(target=decoders().sanitise, args=(HANG, replace(LIMITS, maximum_seconds=60.0)), daemon=True).start()
print(decoders()._server._process.pid, flush=True)
sys.stdin.read()
"""


def test_nothing_is_left_behind_by_a_process_that_is_killed():
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    with worker:
        server = int(worker.stdout.readline())
        time.sleep(0.2)  # the photo is under way
        family = {server, *children_of(server)}
        assert len(family) >= 2
        worker.kill()
    until = time.monotonic() + 10
    while any(map(is_there, family)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(is_there, family))


def test_where_no_process_may_be_started_photos_are_decoded_here_and_that_is_said_once(monkeypatch, capsys):
    def refused(*arguments, **options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(start.subprocess, "Popen", refused)
    decoders = Decoders()
    assert [decoders.sanitise(GOOD, LIMITS).status for _ in range(3)] == [Status.OK] * 3
    said = capsys.readouterr().err
    assert said.count("no process can be started that decodes (") == 1
    assert len(said.splitlines()) == 1


def test_a_server_that_does_not_start_is_said_with_its_last_word(monkeypatch, capsys):
    monkeypatch.setattr(start, "SERVER", "udfs.images.there_is_no_such_module")
    assert Decoders().sanitise(GOOD, LIMITS).status == Status.OK
    assert "No module named udfs.images.there_is_no_such_module" in capsys.readouterr().err


def test_a_decoder_knows_neither_spark_nor_models():
    code = "import sys, udfs.images.decoders.server; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyspark", "torch", "pandas", "pyarrow"} & set(found)
