"""The engine of the CPU: one portion per core at a time, and the model in memory once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.inference.faulty_encoder import (
    FaultyEncoder,
    buffers,
    lost_device,
    lowest_cosine,
    mixed_photos,
    reference_vectors,
)
from udfs.inference.engines import engine_for
from udfs.inference.engines.cores import CoreEngine
from udfs.inference.network import Encoder


@pytest.fixture(scope="module")
def cores():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_the_portion_is_the_models_own_unless_told_and_the_window_keeps_all_cores_busy(cores, clip_encoder):
    own = engine_for(clip_encoder, cores, 2)
    assert isinstance(own, CoreEngine)
    assert own.portion == clip_encoder.portion
    told = engine_for(clip_encoder, cores, 2, 5)
    assert told.portion == 5
    assert told.window >= 2 * 2 * 5  # one in work for each core, and one ready


def test_portions_run_side_by_side_with_their_own_vectors(cores, clip_encoder):
    photos = mixed_photos()
    engine = engine_for(clip_encoder, cores, 2, 4)
    futures = [engine.submit("embed_photos", buffers(photos[turn:] + photos[:turn])) for turn in range(8)]
    for turn, future in enumerate(futures):
        mine = photos[turn:] + photos[:turn]
        assert lowest_cosine(future.result().vectors, reference_vectors(clip_encoder, mine)) > 0.9999


def test_a_lost_device_fails_its_portion(cores, clip_encoder):
    import torch

    encoder: Encoder = FaultyEncoder(clip_encoder, lost_device)
    engine = engine_for(encoder, cores, 2, 4)
    with pytest.raises(torch.AcceleratorError):
        engine.submit("embed_photos", buffers(mixed_photos()[:2])).result()
