"""Where no host may be started the task holds the model itself, and the rows are none the worse for it."""

import dataclasses
import errno
import os

import numpy as np
import pytest

from tests.unit.inference.faulty_encoder import BROKEN, batch, lowest_cosine, mixed_photos, reference_vectors
from udfs.errors import ModelError
from udfs.functions.embed import ARROW_EMBEDDING_SCHEMA, embed_photo_batches
from udfs.inference.host import in_process
from udfs.inference.host.in_process import run_in_process
from udfs.inference.host.placement import Place
from udfs.inference.host.wire import Request

PHOTOS = mixed_photos()
CPU = Place("cpu")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """The models of this test only."""
    here: dict = {}
    monkeypatch.setattr(in_process, "_residents", here)
    yield
    for residents in here.values():
        residents.close()


def asked(clip, clip_encoder, **changes) -> Request:
    return Request(
        **{"reference": clip, "model_key": clip_encoder.model_key, "task": "embed_photos", "batch_size": 4} | changes
    )


def test_the_task_gives_what_a_host_would(clip, clip_encoder, capfd):
    contents = [PHOTOS[0], *BROKEN.values(), *PHOTOS[1:]]
    results = list(run_in_process(iter([batch("jpeg", contents)]), asked(clip, clip_encoder), CPU, 2, "no host"))
    rows = [row for result in results for row in result.to_pylist()]
    assert results[0].schema == ARROW_EMBEDDING_SCHEMA
    assert [row["error_code"] for row in rows] == [None, *BROKEN, *[None] * (len(PHOTOS) - 1)]
    vectors = np.array([row["vector"] for row in rows if row["vector"] is not None])
    assert lowest_cosine(vectors, reference_vectors(clip_encoder, PHOTOS)) > 0.9999
    measures = dict(rows[0]["measures"])
    assert (measures["in_task"], measures["loads"], measures["batch_size"]) == (1, 1, 4)
    assert capfd.readouterr().err.count("no host; this process") == 1


def test_the_model_stays_for_the_next_task(clip, clip_encoder, capfd):
    for _ in range(2):
        (*_, last) = run_in_process(iter([batch("jpeg", PHOTOS[:3])]), asked(clip, clip_encoder), CPU, 1, "no host")
    assert dict(last.column("measures")[0].as_py())["loads"] == 1
    assert capfd.readouterr().err.count("no host") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"model_key": "another"}, "give every node the same files"), ({"task": "rank"}, "rank is not known")],
)
def test_what_a_host_refuses_is_refused_here(clip, clip_encoder, changes, message):
    with pytest.raises(ModelError, match=message):
        list(run_in_process(iter([batch("jpeg", PHOTOS[:1])]), asked(clip, clip_encoder, **changes), CPU, 1, "no host"))


def here(run) -> bool:
    """Whether it was this process that held the model."""
    (result, *_) = run(iter([batch("jpeg", PHOTOS[:2])]))
    assert result.column("status").to_pylist()[0] == "ok"
    return result.column("worker")[0].as_py().endswith(f":{os.getpid()}")


def test_where_no_process_may_be_started_the_task_does_without(clip, monkeypatch, tmp_path, capfd):
    def refused(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("udfs.inference.host.directory.parent_process", lambda: 1)  # nobody has a host there
    monkeypatch.setattr("udfs.inference.host.start._Outliving", refused)
    assert here(embed_photo_batches(clip))
    assert "no process can be started" in capfd.readouterr().err


def test_the_setting_asks_for_it(clip, capfd):
    assert here(embed_photo_batches(dataclasses.replace(clip, host="task")))
    assert "host is task" in capfd.readouterr().err
    assert not here(embed_photo_batches(clip))
