"""What a host takes in is bounded for all its tasks together, and one that works alone is alone."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pyarrow as pa
import pytest

from tests.unit.inference.faulty_encoder import batch, buffers
from udfs.inference.host.workload import Workload
from udfs.inference.tasks import EMBED_PHOTOS

SECONDS = 10.0
KILOBYTE = b"x" * 1000


class HeldEngine:
    """Finishes a portion when it is told to."""

    model_key, dimension, portion, window = "key", 4, 8, 64
    tasks = frozenset({EMBED_PHOTOS.name})

    def __init__(self) -> None:
        self.futures: list[Future] = []

    def submit(self, *_) -> Future:
        self.futures.append(Future())
        return self.futures[-1]


def rows(batches: list[pa.RecordBatch]) -> list[int]:
    return [part.num_rows for part in batches]


def test_a_task_sends_no_faster_than_its_share_and_what_there_is_goes_out():
    workload, engine = Workload(3000), HeldEngine()
    with workload.share(engine, EMBED_PHOTOS) as share, ThreadPoolExecutor(1) as reading:
        taken = share.taken(iter([batch("jpeg", [KILOBYTE] * 2)] * 4))
        assert rows([next(taken), next(taken), next(taken)]) == [2, 2, 0]  # 4,000 bytes: what there is goes out
        following = reading.submit(next, taken)
        for _ in range(2):
            share.submit(EMBED_PHOTOS.name, buffers([KILOBYTE] * 2))
        assert not following.done()
        engine.futures[0].set_result(None)
        assert following.result(SECONDS).num_rows == 2
        share.submit(EMBED_PHOTOS.name, buffers([KILOBYTE] * 2))
        for future in engine.futures[1:]:
            future.set_result(None)
        assert rows(list(taken)) == [2]


@pytest.mark.parametrize("tasks", [1, 4, 16])
def test_all_tasks_together_have_no_more_under_way_than_the_host_may_hold(tasks):
    workload = Workload(32_000)
    with ExitStack() as held:
        shares = [held.enter_context(workload.share(HeldEngine(), EMBED_PHOTOS)) for _ in range(tasks)]
        for share in shares:
            taken = share.taken(iter([batch("jpeg", [KILOBYTE])] * 100))
            while next(taken).num_rows:
                pass
        assert 32_000 <= sum(share.held_bytes for share in shares) <= 32_000 + tasks * 1000


def test_what_is_alone_waits_for_the_others_and_lets_none_begin():
    workload, engine = Workload(1000), HeldEngine()
    with workload.share(engine, EMBED_PHOTOS) as other, ThreadPoolExecutor(2) as threads:
        other.submit(EMBED_PHOTOS.name, [])
        inside, leave = threading.Event(), threading.Event()

        def alone() -> None:
            with workload.share(engine, EMBED_PHOTOS, alone=True) as share:
                inside.set()
                share.submit(EMBED_PHOTOS.name, []).result(SECONDS)
                leave.wait(SECONDS)

        waiting = threads.submit(alone)
        assert not inside.wait(0.1)
        engine.futures[0].set_result(None)
        assert inside.wait(SECONDS)
        begun = threads.submit(other.submit, EMBED_PHOTOS.name, [])
        while len(engine.futures) < 2:
            pass
        engine.futures[1].set_result(None)
        assert not begun.done()
        leave.set()
        waiting.result(SECONDS)
        assert begun.result(SECONDS) is engine.futures[2]


def test_seconds_without_a_finished_portion_are_counted_from_the_first_that_is_under_way():
    workload, engine = Workload(1000), HeldEngine()
    workload._finished -= 100
    with workload.share(engine, EMBED_PHOTOS) as share:
        share.submit(EMBED_PHOTOS.name, [])
        assert workload.still_seconds < SECONDS
        workload._finished -= 100
        share.submit(EMBED_PHOTOS.name, [])
        assert workload.still_seconds > 99
        engine.futures[0].set_result(None)
        assert workload.still_seconds < SECONDS
