"""What is settled on the driver, before any executor is asked; what executors do is in tests/unit/inference/host."""

import dataclasses

import pyarrow as pa
import pytest
from pyspark import cloudpickle

from tests.models import build_vit
from tests.unit.inference.faulty_encoder import batch, mixed_photos
from udfs.errors import ModelError
from udfs.functions.embed import ARROW_EMBEDDING_SCHEMA, embed_photo_batches, embed_text_batches, text_embedding_udf
from udfs.models import ModelReference


@pytest.fixture(scope="module")
def vision_only(tmp_path_factory) -> ModelReference:
    return ModelReference(str(build_vit(tmp_path_factory.mktemp("models") / "vit")), device="cpu")


@pytest.mark.parametrize("function", [embed_text_batches, text_embedding_udf])
def test_narratives_for_a_vision_only_model_are_refused_before_the_job_starts(function, vision_only):
    with pytest.raises(ModelError, match="reads photos only"):
        function(vision_only)


@pytest.mark.parametrize("function", [embed_photo_batches, embed_text_batches])
def test_a_model_that_is_not_there_is_named_before_the_job_starts(function, tmp_path):
    with pytest.raises(ModelError, match="nowhere does not exist"):
        function(ModelReference(str(tmp_path / "nowhere")))


def test_an_unknown_dtype_is_named_before_the_job_starts(vision_only):
    with pytest.raises(ModelError, match="dtype float8 is not known"):
        embed_photo_batches(dataclasses.replace(vision_only, dtype="float8"))


def test_the_function_travels_to_executors_and_works_there(clip):
    run = cloudpickle.loads(cloudpickle.dumps(embed_photo_batches(clip, 4)))
    photos = mixed_photos()[:3]
    found = pa.Table.from_batches(list(run(iter([batch("jpeg", photos)]))), ARROW_EMBEDDING_SCHEMA)
    assert found.column("status").to_pylist() == ["ok"] * 3


def test_large_strings_and_bytes_are_read_too(clip):
    """Spark sends them where spark.sql.execution.arrow.useLargeVarTypes is on."""
    small = batch("jpeg", mixed_photos()[:2])
    schema = pa.schema([("entity_id", pa.large_string()), ("jpeg", pa.large_binary())])
    (found,) = embed_photo_batches(clip, 4)(iter([small.cast(schema)]))
    assert found.schema == ARROW_EMBEDDING_SCHEMA
    assert found.column("entity_id").to_pylist() == small.column("entity_id").to_pylist()
