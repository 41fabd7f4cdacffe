"""Rows through the model: who fails, fails alone; memory that is short makes batches smaller, not photos lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.errors import ModelError
from udfs.inference.engine import Failure
from udfs.inference.isolation import Fit, embed_rows
from udfs.inference.pixels import padded
from udfs.inference.vectors import unit_rows
from udfs.outcome import ErrorCode


class Device:
    """Encodes numbers to one-dimensional vectors, as many at a time as it has room for; some never fit."""

    def __init__(self, room: int, giants: frozenset[int] = frozenset()) -> None:
        self.room = room
        self.giants = giants
        self.sizes: list[int] = []

    def __call__(self, values) -> np.ndarray:
        import torch

        self.sizes.append(len(values))
        if len(values) > self.room or self.giants.intersection(values):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return np.array(values, np.float32)[:, None]


def codes(embedded) -> dict[int, str]:
    return {row: str(failure.code) for row, failure in embedded.failures.items()}


@given(st.integers(0, 40), st.integers(1, 50), st.sets(st.integers(1, 40)))
def test_every_row_that_fits_alone_gets_its_vector_however_little_memory_there_is(rows, room, giants):
    values = list(range(1, rows + 1))
    embedded = embed_rows(Device(room, frozenset(giants)), values, 1)
    lost = {value - 1 for value in giants if value <= rows}
    assert codes(embedded) == dict.fromkeys(lost, "out_of_memory")
    assert embedded.vectors[:, 0].tolist() == [0 if row in lost else row + 1 for row in range(rows)]


def test_a_batch_is_halved_down_to_one_photo_and_only_that_one_gets_the_code():
    device = Device(8, frozenset({6}))
    embedded = embed_rows(device, list(range(8)), 1)
    assert codes(embedded) == {6: "out_of_memory"}
    assert "CUDA out of memory" in embedded.failures[6].detail
    assert device.sizes == [8, 4, 4, 2, 2, 1, 1]


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")]
)
def test_the_hosts_memory_counts_as_much_as_the_devices(error):
    def encode(values):
        if len(values) > 1:
            raise error
        return np.ones((1, 1), np.float32)

    embedded = embed_rows(encode, [1, 2, 3], 1)
    assert not embedded.failures
    assert embedded.vectors.tolist() == [[1], [1], [1]]


def test_the_size_that_fitted_is_kept_for_the_batches_that_follow():
    device, fit = Device(5), Fit()
    embed_rows(device, list(range(16)), 1, fit)
    assert fit(16) == 4
    device.sizes.clear()
    embed_rows(device, list(range(16)), 1, fit)
    assert device.sizes == [4, 4, 4, 4]


def test_one_giant_after_another_does_not_slow_the_batches_that_follow():
    device, fit = Device(8), Fit()
    for giant in range(8):
        device.giants = frozenset({giant})
        assert codes(embed_rows(device, list(range(8)), 1, fit)) == {giant: "out_of_memory"}
    assert fit(8) == 8


def test_a_size_found_beside_a_giant_is_kept_all_the_same():
    device, fit = Device(4, frozenset({0})), Fit()
    embed_rows(device, list(range(16)), 1, fit)
    assert fit(16) == 4


def test_any_number_fits_until_one_did_not():
    fit = Fit()
    assert fit(1000) == 1000
    fit.keep(8)
    fit.keep(32)
    assert (fit(1000), fit(3)) == (8, 3)
    fit.keep(0)
    assert fit(1000) == 1


def test_an_input_that_breaks_its_batch_fails_alone():
    sizes = []

    def encode(values):
        sizes.append(len(values))
        if "bad" in values:
            raise ValueError("not finite\nat row 1")
        return np.ones((len(values), 1), np.float32)

    fit = Fit()
    embedded = embed_rows(encode, ["a", "bad", Failure(ErrorCode.CORRUPT, "broken"), "b"], 1, fit)
    assert codes(embedded) == {1: "model_failed", 2: "corrupt"}
    assert embedded.vectors.tolist() == [[1], [0], [0], [1]]
    assert embedded.failures[1].detail == "ValueError: not finite at row 1"
    assert embedded.failures[2].detail == "broken"
    assert sizes == [3, 1, 1, 1]
    assert fit(100) == 100  # nothing was said about memory


def test_rows_without_a_direction_fail_and_the_rest_of_their_batch_is_kept_as_it_is():
    import torch

    sizes = []

    def encode(values):
        sizes.append(len(values))
        return unit_rows(torch.tensor(values), 2)

    inputs = [[3.0, 4.0], [0.0, 0.0], Failure(ErrorCode.CORRUPT, "broken"), [torch.inf, 1.0], [0.0, 2.0]]
    embedded = embed_rows(encode, inputs, 2)
    assert codes(embedded) == {1: "model_failed", 2: "corrupt", 3: "model_failed"}
    assert "not finite, or zero" in embedded.failures[1].detail
    assert embedded.vectors == pytest.approx(np.array([[0.6, 0.8], [0, 0], [0, 0], [0, 0], [0, 1]]))
    assert sizes == [4]


def test_nothing_reaches_the_model_where_every_row_has_failed_already():
    def encode(values):
        raise AssertionError("called")

    failure = Failure(ErrorCode.EMPTY, "no text")
    assert codes(embed_rows(encode, [failure, failure], 1)) == {0: "empty", 1: "empty"}
    assert embed_rows(encode, [], 3).vectors.shape == (0, 3)


def test_a_lost_device_fails_the_task_not_the_photos():
    import torch

    def encode(values):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(torch.AcceleratorError):
        embed_rows(encode, ["a", "b"], 1)


def test_a_model_that_cannot_do_it_at_all_fails_the_job():
    def encode(values):
        raise ModelError("model x reads photos only")

    with pytest.raises(ModelError, match="photos only"):
        embed_rows(encode, ["a", "b"], 1)


def test_a_batch_is_padded_with_its_last_row():
    import torch

    batch = {"pixel_values": torch.arange(6.0).reshape(3, 2), "mask": torch.tensor([[1], [0], [1]])}
    grown = padded(batch, 5)
    assert grown["pixel_values"].tolist() == [[0, 1], [2, 3], [4, 5], [4, 5], [4, 5]]
    assert grown["mask"].tolist() == [[1], [0], [1], [1], [1]]
    for rows in (1, 3):
        same = padded(batch, rows)
        assert all(torch.equal(same[name], batch[name]) for name in batch)
