"""What an error says: of its input, of the memory that was short, or of a device that is lost.

Imports no torch: an error of torch's cannot come from a process that has not loaded it.
"""

import sys

from udfs.errors import ModelError
from udfs.images.photo_error import one_line
from udfs.inference.engine import Failure
from udfs.outcome import ErrorCode

_MEMORY_IS_SHORT = (
    "can't allocate memory",  # the CPU's allocator
    "not enough memory",
    "out of memory",  # MPS, and the CUDA runtime where it is not torch's own allocator that asks
    # Libraries of CUDA have allocators of their own, whose refusal reaches us as a RuntimeError.
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "ALLOCATION_FAILED",  # cuDNN 9: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED and its like
    "cublasCreate",  # its workspace does not fit: CUBLAS_STATUS_NOT_INITIALIZED when calling cublasCreate
)


def failure_of(error: Exception) -> Failure:
    """What an error says about its input.

    Raises:
        Exception: the error itself, where it says something about the model or the device instead.
    """
    if isinstance(error, ModelError) or is_device_lost(error):
        raise error
    code = ErrorCode.OUT_OF_MEMORY if is_out_of_memory(error) else ErrorCode.MODEL_FAILED
    return Failure(code, one_line(f"{type(error).__name__}: {error}"))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was no memory left, on the device or the host, after which it is as good as before."""
    if isinstance(error, (MemoryError, *_of_torch("OutOfMemoryError"))):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _MEMORY_IS_SHORT)


def is_device_lost(error: BaseException) -> bool:
    """Whether the error poisons the process: after an asynchronous CUDA error every further call fails too."""
    return isinstance(error, _of_torch("AcceleratorError")) and not is_out_of_memory(error)


def free_memory() -> None:
    """Give cached device memory back, where there is a device."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _of_torch(name: str) -> tuple[type[BaseException], ...]:
    torch = sys.modules.get("torch")
    return () if torch is None else (getattr(torch, name),)
