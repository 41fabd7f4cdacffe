"""One process holds the model for all tasks: they share its one load, and what one of them does harms no other."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.models import build_clip, build_vit
from tests.unit.inference.faulty_encoder import BROKEN, batch, lowest_cosine, mixed_photos, reference_vectors
from udfs.errors import ModelError
from udfs.functions.embed import ARROW_EMBEDDING_SCHEMA, embed_photo_batches, embed_text_batches
from udfs.inference.host.client import run_task
from udfs.inference.host.directory import host_directory
from udfs.inference.host.placement import Place
from udfs.models import ModelReference

ROOT = Path(__file__).resolve().parents[4]
PHOTOS = mixed_photos()


def table(function, batches) -> pa.Table:
    results = list(function(iter(batches)))
    for result in results:
        result.validate(full=True)
    return pa.Table.from_batches(results, ARROW_EMBEDDING_SCHEMA)


def without_measures(result: pa.Table) -> list[dict]:
    return result.drop_columns(["vector", "norm", "worker", "measures"]).to_pylist()


def loads(result: pa.Table) -> float:
    return max(dict(measures)["loads"] for measures in result.column("measures").to_pylist() if measures)


def workers(result: pa.Table) -> set[str]:
    return set(result.column("worker").to_pylist())


def vectors(result: pa.Table) -> np.ndarray:
    return np.array([vector for vector in result.column("vector").to_pylist() if vector is not None])


def long_input(batches: int):
    """Batches of two photos each: far more rows than are under way at a time on any machine that runs tests."""
    return (batch("jpeg", [PHOTOS[0], PHOTOS[3]], first=2 * number) for number in range(batches))


def test_photos_come_back_in_order_with_the_vectors_that_the_encoder_gives(clip, clip_encoder):
    contents = [PHOTOS[0], *BROKEN.values(), *PHOTOS[1:]]
    found = table(embed_photo_batches(clip, 3), [batch("jpeg", contents)])
    assert found.column("entity_id").to_pylist() == [f"id{number}" for number in range(len(contents))]
    assert found.column("error_code").to_pylist() == [None, *BROKEN, *[None] * (len(PHOTOS) - 1)]
    assert lowest_cosine(vectors(found), reference_vectors(clip_encoder, PHOTOS)) > 0.9999


def test_how_spark_cuts_the_rows_changes_nothing(clip):
    contents = [*PHOTOS, *BROKEN.values()]
    run = embed_photo_batches(clip, 4)
    whole = batch("jpeg", contents)
    empty = batch("jpeg", [])
    once = table(run, [whole])
    ones = table(run, [empty, *(part for row in range(len(contents)) for part in (whole.slice(row, 1), empty))])
    assert without_measures(ones) == without_measures(once)
    assert lowest_cosine(vectors(ones), vectors(once)) > 0.99999
    assert workers(ones) == workers(once)


def test_a_task_of_any_length_gets_all_its_rows_without_reading_ahead_too_far(clip):
    read = []

    def source():
        for number, part in enumerate(long_input(600)):
            read.append(number)
            yield part

    seen = 0
    for result in embed_photo_batches(clip, 2)(source()):
        assert result.column("entity_id").to_pylist() == [f"id{row}" for row in range(seen, seen + result.num_rows)]
        seen += result.num_rows
        assert len(read) < 600 or seen > 600  # it has not read all of it before it gave the first half
    assert seen == 1200


def test_tasks_that_run_at_once_share_one_process_and_one_load(tmp_path, clip):
    known = table(embed_photo_batches(clip, 2), [batch("jpeg", PHOTOS[:2])])
    fresh = ModelReference(str(build_clip(tmp_path / "clip", seed=5)), device="cpu", dtype="float32")
    run = embed_photo_batches(fresh, 2)
    together = threading.Barrier(3)

    def task(number: int) -> pa.Table:
        together.wait()
        return table(run, [batch("jpeg", PHOTOS[number:]), batch("jpeg", PHOTOS[:number], first=100)])

    with ThreadPoolExecutor(3) as tasks:
        found = list(tasks.map(task, range(1, 4)))
    assert [result.num_rows for result in found] == [len(PHOTOS)] * 3
    for number, result in enumerate(found, 1):
        assert lowest_cosine(np.roll(vectors(result), number, axis=0), np.roll(vectors(found[0]), 1, axis=0)) > 0.9999
    again = table(run, [batch("jpeg", PHOTOS)])
    assert len(workers(known).union(workers(again), *map(workers, found))) == 1
    assert {loads(again), *map(loads, found)} == {loads(known) + 1}


def test_without_a_row_no_process_starts_and_no_model_loads(tmp_path):
    folder = build_vit(tmp_path / "vit", seed=9)
    run = embed_photo_batches(ModelReference(str(folder), device="cpu"))
    for path in folder.glob("*.safetensors"):
        path.unlink()  # loading it would fail
    assert table(run, []).num_rows == 0
    assert table(run, [batch("jpeg", []), batch("jpeg", [])]).num_rows == 0


def test_a_task_that_stops_half_way_harms_nobody(clip):
    run = embed_photo_batches(clip, 2)
    for _ in range(3):
        results = run(long_input(200))
        assert next(results).num_rows
        results.close()
    found = table(run, [batch("jpeg", PHOTOS)])
    assert found.num_rows == len(PHOTOS)


def test_a_task_whose_input_breaks_gets_that_error(clip):
    def source():
        yield from long_input(20)
        raise LookupError("the file is gone")

    with pytest.raises(LookupError, match="the file is gone"):
        table(embed_photo_batches(clip, 2), source())
    assert table(embed_photo_batches(clip, 2), [batch("jpeg", PHOTOS)]).num_rows == len(PHOTOS)


def test_narratives_go_the_same_way(clip, clip_encoder):
    texts = ["hit a deer", " ", None, "Türe verbeult"]
    found = table(embed_text_batches(clip, 2), [batch("text", texts)])
    assert found.column("error_code").to_pylist() == [None, "empty", "empty", None]
    assert lowest_cosine(vectors(found), clip_encoder.encode_texts(["hit a deer", "Türe verbeult"])) > 0.9999


def test_another_model_under_the_same_name_is_refused(tmp_path):
    folder = build_vit(tmp_path / "vit", seed=1)
    run = embed_photo_batches(ModelReference(str(folder), device="cpu"))
    build_vit(folder, seed=2)
    with pytest.raises(ModelError, match="give every node the same files") as told:
        table(run, [batch("jpeg", PHOTOS[:1])])
    assert "\n" not in str(told.value)


def test_a_model_that_is_not_on_this_node_is_named(tmp_path):
    reference = ModelReference(str(tmp_path / "elsewhere"), device="cpu", dtype="float32")
    with pytest.raises(ModelError, match="elsewhere does not exist"):
        list(run_task(iter([batch("jpeg", PHOTOS[:1])]), reference, "key", "embed_photos"))


# Its parent is the test's own process, whose host runs already.
WORKER = """
import sys
from udfs.inference.host import directory, start
directory.parent_process = start.parent_process = lambda: int(sys.argv[2])
import pyarrow as pa
from udfs.functions.embed import embed_photo_batches
from udfs.models import ModelReference
run = embed_photo_batches(ModelReference(sys.argv[1], device="cpu", dtype="float32"), 2)
photo = open(sys.argv[3], "rb").read()
rows = pa.RecordBatch.from_pydict({"entity_id": ["a", "b"], "jpeg": [photo, photo]})
(results,) = [result.to_pylist() for result in run(iter([rows]))]
print(results[0]["status"], results[0]["worker"], *sorted({"torch", "transformers"} & set(sys.modules)))
"""


def test_the_process_of_a_task_never_loads_torch(clip, tmp_path):
    found = table(embed_photo_batches(clip, 2), [batch("jpeg", PHOTOS[:2])])
    (tmp_path / "photo.jpg").write_bytes(PHOTOS[0])
    arguments = [clip.name, str(os.getpid()), str(tmp_path / "photo.jpg")]
    ran = subprocess.run(
        [sys.executable, "-c", WORKER, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["ok", *workers(found)]


def test_a_killed_host_costs_no_row_and_the_task_goes_on_with_another(clip):
    run = embed_photo_batches(clip, 2)
    results = run(long_input(200))
    first = next(results)
    (killed,) = workers(pa.Table.from_batches([first]))
    os.kill(int(killed.rpartition(":")[2]), signal.SIGKILL)
    found = pa.Table.from_batches([first, *results])
    assert found.column("entity_id").to_pylist() == [f"id{row}" for row in range(400)]
    assert set(found.column("status").to_pylist()) == {"ok"}
    assert len(workers(found)) == 2
    assert (host_directory(Place("cpu")) / "log").exists()
