"""Rows in are rows out: each with a unit vector, or with the reason why it has none."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from tests.models import build_clip, build_vit
from udfs.embed import (
    ARROW_EMBEDDING_SCHEMA,
    EMBEDDING_SCHEMA,
    Failure,
    embed_photo_batches,
    embed_rows,
    embed_text_batches,
)
from udfs.encoders import ModelReference, load_encoder
from udfs.errors import ModelError
from udfs.outcome import ErrorCode
from udfs.residency import load_count, resident_encoder


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> ModelReference:
    return ModelReference(str(build_clip(tmp_path_factory.mktemp("models") / "clip")), device="cpu")


def jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((80, 60)).save(file, "JPEG")
    return file.getvalue()


def batch(column: str, values: list, first: int = 0) -> pa.RecordBatch:
    ids = [f"id{first + number}" for number in range(len(values))]
    return pa.RecordBatch.from_pydict({"entity_id": ids, column: values})


def embedded(function, *batches: pa.RecordBatch) -> list[dict]:
    return pa.Table.from_batches(list(function(iter(batches))), ARROW_EMBEDDING_SCHEMA).to_pylist()


def test_photos_become_the_vectors_that_the_encoder_gives(clip):
    jpegs = [jpeg(seed) for seed in range(7)]
    rows = embedded(
        embed_photo_batches(clip, 3), batch("jpeg", jpegs[:5]), batch("jpeg", []), batch("jpeg", jpegs[5:], 5)
    )
    assert [row["entity_id"] for row in rows] == [f"id{number}" for number in range(7)]
    assert {(row["status"], row["error_code"], row["dimension"]) for row in rows} == {("ok", None, 24)}
    expected = load_encoder(clip).encode_photos([Image.open(io.BytesIO(content)).convert("RGB") for content in jpegs])
    np.testing.assert_allclose(np.array([row["vector"] for row in rows]), expected, atol=1e-5)
    assert all(abs(row["norm"] - 1) < 1e-6 for row in rows)
    assert len({row["worker"] for row in rows}) == 1


def test_batches_for_the_model_do_not_follow_sparks(clip):
    whole = batch("jpeg", [jpeg(seed) for seed in range(7)])
    pieces = [whole.slice(row, 1) for row in range(7)]
    assert [out.num_rows for out in embed_photo_batches(clip, 3)(iter(pieces))] == [3, 3, 1]
    assert [out.num_rows for out in embed_photo_batches(clip, 3)(iter([whole]))] == [3, 3, 1]


def test_broken_photos_fail_alone_with_their_code(clip):
    good = jpeg(1)
    contents = [good, good[: len(good) // 2], b"", b"no photo at all", None, jpeg(2)]
    rows = embedded(embed_photo_batches(clip, 32), batch("jpeg", contents))
    codes = [row["error_code"] for row in rows]
    assert codes[0] is codes[5] is None
    assert codes[1] in {"truncated", "corrupt"}
    assert codes[2:5] == ["empty", "not_an_image", "unreadable"]
    for row in rows[1:5]:
        assert (row["status"], row["vector"], row["dimension"], row["norm"]) == ("failed", None, None, None)
        assert row["error_detail"]
    assert embedded(embed_photo_batches(clip), batch("jpeg", [good]))[0]["vector"] == pytest.approx(
        rows[0]["vector"], abs=1e-5
    )


def test_a_partition_in_which_everything_fails_still_gives_its_rows(clip):
    rows = embedded(embed_photo_batches(clip, 2), batch("jpeg", [b"x", None, b"y"]))
    assert [row["status"] for row in rows] == ["failed"] * 3


def test_an_empty_partition_gives_nothing_and_loads_nothing(tmp_path):
    reference = ModelReference(str(build_vit(tmp_path / "vit", seed=9)), device="cpu")
    before = load_count()
    assert list(embed_photo_batches(reference)(iter([]))) == []
    assert embedded(embed_photo_batches(reference), batch("jpeg", [])) == []
    assert load_count() == before


def test_narratives_become_vectors_and_blank_ones_say_so(clip):
    rows = embedded(embed_text_batches(clip, 2), batch("text", ["hit a deer", " ", None, "dent in the door"]))
    assert [row["error_code"] for row in rows] == [None, "empty", "empty", None]
    expected = resident_encoder(clip).encode_texts(["hit a deer", "dent in the door"])
    np.testing.assert_allclose(np.array([rows[0]["vector"], rows[3]["vector"]]), expected, atol=1e-5)


def test_narratives_for_a_vision_only_model_are_refused_before_the_job_starts(tmp_path):
    with pytest.raises(ModelError, match="reads photos only"):
        embed_text_batches(ModelReference(str(build_vit(tmp_path / "vit"))))


def test_a_worker_with_another_model_under_the_same_name_refuses(tmp_path):
    folder = build_vit(tmp_path / "vit", seed=1)
    function = embed_photo_batches(ModelReference(str(folder), device="cpu"))
    build_vit(folder, seed=2)
    with pytest.raises(ModelError, match="every node the same files"):
        embedded(function, batch("jpeg", [jpeg(1)]))


def ones(values: list) -> np.ndarray:
    return np.ones((len(values), 1), np.float32)


def test_one_input_that_breaks_its_batch_fails_alone():
    def encode(values):
        if "bad" in values:
            raise ValueError("not finite")
        return ones(values)

    result = embed_rows(encode, ["a", "bad", Failure(ErrorCode.CORRUPT, "broken"), "b"], 1)
    assert {row: failure.code for row, failure in result.failures.items()} == {1: "model_failed", 2: "corrupt"}
    assert result.vectors.tolist() == [[1], [0], [0], [1]]


def test_a_batch_too_large_for_memory_is_halved():
    sizes = []

    def encode(values):
        sizes.append(len(values))
        if len(values) > 3 or "huge" in values:
            raise MemoryError
        return ones(values)

    result = embed_rows(encode, [*range(7), "huge"], 1)
    assert {row: failure.code for row, failure in result.failures.items()} == {7: "out_of_memory"}
    assert result.vectors.sum() == 7
    assert sizes[:3] == [8, 4, 2]


def test_vectors_that_are_not_finite_never_get_through(tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = build_vit(tmp_path / "vit")
    tensors = load_file(folder / "model.safetensors")
    tensors["layernorm.weight"][:] = np.nan
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    rows = embedded(embed_photo_batches(ModelReference(str(folder), device="cpu")), batch("jpeg", [jpeg(1), jpeg(2)]))
    assert [(row["error_code"], row["vector"]) for row in rows] == [("model_failed", None)] * 2


def test_a_lost_device_fails_the_task_not_the_photos():
    import torch

    def encode(values):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(torch.AcceleratorError):
        embed_rows(encode, ["a"], 1)


def test_both_schemas_name_the_same_columns():
    assert [column.split()[0] for column in EMBEDDING_SCHEMA.split(", ")] == ARROW_EMBEDDING_SCHEMA.names
