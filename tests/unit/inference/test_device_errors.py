"""An error is the input's, the memory's or the device's, which decides what is lost: a row, nothing, or the process."""

import pytest
import torch

from udfs.errors import ModelError
from udfs.inference.device_errors import failure_of, is_device_lost, is_out_of_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    ],
)
def test_memory_that_was_short_is_told_whoever_asked_for_it(error):
    assert is_out_of_memory(error)
    assert not is_device_lost(error)
    assert failure_of(error).code == "out_of_memory"


def test_an_error_of_the_input_is_neither():
    error = RuntimeError("shape '[2, 3]' is invalid for input of size 5")
    assert not is_out_of_memory(error)
    assert failure_of(error).code == "model_failed"


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        ModelError("model x cannot be compiled"),
    ],
)
def test_what_is_no_rows_fault_is_raised(error):
    with pytest.raises(type(error)):
        failure_of(error)
