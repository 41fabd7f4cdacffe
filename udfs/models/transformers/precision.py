"""In which number format a model runs: decided once, on the driver, from its family and what the machine can do."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from udfs.errors import ModelError
from udfs.models.reference import ModelReference, model_config, model_directory
from udfs.models.transformers.families import known_family

DTYPES = ("float32", "bfloat16", "float16")

_BFLOAT16_INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}


def settled(reference: ModelReference) -> ModelReference:
    """The reference with its dtype decided, as it has to be before it is shipped to executors.

    dtype is part of model_key, so the driver decides it once for everyone. auto means bfloat16 for transformers and
    float16 for convolutional networks where the driver is told to use, or itself has, a CUDA device; on a CPU bfloat16
    for transformers where the driver's CPU has instructions for it (Linux on x86); float32 otherwise. On a cluster
    whose driver has no GPU but whose executors do, set models.photo.device=cuda (or the dtype itself).

    Raises:
        ModelError: the dtype is none of those known, or auto and the model's family cannot be told.
    """
    if reference.dtype in DTYPES:
        return reference
    if reference.dtype != "auto":
        raise ModelError(f"model dtype {reference.dtype} is not known; use auto, {', '.join(DTYPES)}.")
    config = model_config(model_directory(reference), reference.name)
    convolutional = known_family(str(config.get("model_type")), reference.name).convolutional
    if reference.device.startswith("cuda") or (reference.device == "auto" and _cuda_present()):
        dtype = "float16" if convolutional else "bfloat16"
    elif reference.device in {"auto", "cpu"} and not convolutional and _cpu_has_bfloat16():
        dtype = "bfloat16"
    else:
        dtype = "float32"
    return replace(reference, dtype=dtype)


def _cuda_present() -> bool:
    # Importing torch takes seconds; a Linux machine without NVIDIA's control device has no CUDA device.
    if "torch" not in sys.modules and sys.platform == "linux" and not Path("/dev/nvidiactl").exists():
        return False
    import torch

    return torch.cuda.is_available()


@cache
def _cpu_has_bfloat16() -> bool:
    # Where a CPU has none, torch works in bfloat16 all the same, but slower than in float32.
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _BFLOAT16_INSTRUCTIONS.isdisjoint(flags.split())
