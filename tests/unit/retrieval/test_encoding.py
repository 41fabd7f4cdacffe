"""Questions become vectors where the photos of the tables do: in the process that holds the model."""

import io
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from jobs.index.opening import open_writer
from jobs.index.schemas import index_schema
from jobs.job.model import current_model
from jobs.retrieval import encoding
from jobs.retrieval.encoding import encoding_by_host, sanitised
from jobs.retrieval.question import Query
from jobs.retrieval.searcher import Searcher
from tests.unit.index.index_rows import entity_rows, photo_id
from tests.unit.inference.host.hosts import hosts_apart
from tests.unit.retrieval.conftest import put
from udfs.errors import InputError, ModelError
from udfs.inference.host.client import run_task
from udfs.inference.tasks import EMBED_PHOTOS, EMBED_TEXTS

SIZES = [(900, 700), (64, 48), (2600, 1900), (333, 1000)]


def photo(number, size):
    noise = np.random.default_rng(number).integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(noise).resize(size).save(target, "JPEG", quality=95)
    return target.getvalue()


@pytest.fixture(scope="module", autouse=True)
def _hosts_apart():
    """Hosts that outlive a command outlive a test too: these are nobody else's, and end with the module."""
    with hosts_apart() as directory:
        yield
        end_hosts_below(directory.parent)


def end_hosts_below(folder):
    for process in (path for path in Path("/proc").iterdir() if path.name.isdigit()):
        with suppress(OSError):
            if f"--directory={folder}/".encode() in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


@pytest.fixture(scope="module")
def originals():
    return [photo(number, size) for number, size in enumerate(SIZES)]


@pytest.fixture
def of_clip(settings, clip):
    """Settings whose photo model is the tiny CLIP, which shrinks photos as it decodes them."""
    photo_model = settings.models.photo.model_copy(
        update={"name": clip.name, "device": "cpu", "dtype": "float32", "scaled_decoding": True}
    )
    return settings.model_copy(update={"models": settings.models.model_copy(update={"photo": photo_model})})


def indexed(settings, originals):
    """What ingest, embed and sync-index make of these photos: cleaned, and through the model in one batch."""
    model = current_model(settings.models.photo)
    jpegs = [sanitised(content, "photo", settings.ingest) for content in originals]
    ids = [photo_id(number) for number in range(len(jpegs))]
    batch = pa.RecordBatch.from_arrays([pa.array(ids), pa.array(jpegs, pa.binary())], ["entity_id", "jpeg"])
    embedded = pa.Table.from_batches(run_task(iter([batch]), model.reference, model.model_key, EMBED_PHOTOS.name))
    rows = [
        {**row, "vector": vector}
        for row, vector in zip(entity_rows(range(len(ids))).to_pylist(), embedded["vector"].to_pylist(), strict=True)
    ]
    put(
        open_writer(settings.index, model.model_key, model.dimension),
        pa.Table.from_pylist(rows, index_schema(model.dimension)),
    )


def test_a_photo_of_the_index_finds_itself_with_the_very_same_vector(of_clip, originals):
    indexed(of_clip, originals)
    searcher = Searcher.open(of_clip)
    for number, content in enumerate(originals):
        best = searcher.search(Query(photo=content, limit=1)).hits[0]
        assert best.entity_id == photo_id(number)
        assert best.score >= 0.999999


def test_a_photo_that_is_none_is_refused_by_its_name(of_clip):
    with pytest.raises(InputError, match=r"--photo notes.txt: not a photo that can be read \(not_an_image"):
        sanitised(b"no picture at all", "notes.txt", of_clip.ingest)


@pytest.mark.slow
def test_two_questions_at_once_start_one_host_and_say_what_they_wait_for(of_clip):
    with hosts_apart() as directory:
        said = []
        encode = encoding_by_host(current_model(of_clip.models.photo), said.append)
        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(lambda _: encode(EMBED_TEXTS, ["a dent"]), range(2))
        assert np.array_equal(first, second)
        assert len(list(directory.parent.glob("*/socket"))) == 1
        assert said
        said.clear()
        encode(EMBED_TEXTS, ["a dent"])
        assert said == []
        end_hosts_below(directory.parent)


def test_a_question_that_is_longer_than_the_model_reads_is_said(of_clip):
    said = []
    encode = encoding_by_host(current_model(of_clip.models.photo), said.append)
    encode(EMBED_TEXTS, ["a dent in the left door"])
    said.clear()
    encode(EMBED_TEXTS, ["a dent in the left door " * 100])
    assert len(said) == 1
    assert "tokens were left out" in said[0]


def ending(runs, monkeypatch):
    """Has the first `runs` questions end as those do whose host is ended because it hangs."""
    tried = []

    def run(*arguments, **options):
        tried.append(arguments)
        if len(tried) <= runs:
            raise ConnectionError("the process that holds the model was ended")
        yield from run_task(*arguments, **options)

    monkeypatch.setattr("udfs.inference.host.client.run_task", run)
    return tried


def test_a_host_that_ends_in_mid_question_is_asked_anew_once(of_clip, monkeypatch):
    said = []
    encode = encoding_by_host(current_model(of_clip.models.photo), said.append)
    expected = encode(EMBED_TEXTS, ["a dent"])
    tried = ending(1, monkeypatch)
    assert np.array_equal(encode(EMBED_TEXTS, ["a dent"]), expected)
    assert len(tried) == 2
    assert any("ended" in line for line in said)


def test_a_host_that_ends_again_is_a_clear_line(of_clip, monkeypatch):
    encode = encoding_by_host(current_model(of_clip.models.photo), lambda _: None)
    ending(encoding.TRIES, monkeypatch)
    with pytest.raises(ModelError, match="ended 2 times in the middle of the question"):
        encode(EMBED_TEXTS, ["a dent"])
