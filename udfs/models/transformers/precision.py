"""In which number format a model runs: decided once, by settings and family alone, never by the machine that asks.

dtype is part of the model_key. Were it to follow the driver's hardware, a night on another driver would silently embed
a whole archive anew. So `auto` is half precision where the settings name a GPU, and float32 everywhere else;
`better_dtype` tells those whom their hardware would serve better, and they say so in the settings.

Measured with CLIP ViT-B/32, CPU milliseconds a photo on one core: float32 115 to 125; bfloat16 57 to 59 on a CPU with
avx512_bf16, 584 to 592 on the same CPU held to AVX2.
"""

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

    auto is bfloat16 for transformers and float16 for convolutional networks where device is cuda; float32 otherwise.

    Raises:
        ModelError: the dtype is none of those known, or auto and the model's family cannot be told.
    """
    if reference.dtype in DTYPES:
        return reference
    if reference.dtype != "auto":
        raise ModelError(f"model dtype {reference.dtype} is not known; use auto, {', '.join(DTYPES)}.")
    on_gpu = reference.device.startswith("cuda")
    return replace(reference, dtype=_half_precision(reference) if on_gpu else "float32")


def better_dtype(reference: ModelReference, *, has_gpu: bool) -> str | None:
    """The setting by which this machine would run a settled model about twice as fast; None where there is none.

    Raises:
        ModelError: the model's family cannot be told.
    """
    if reference.kind != "transformers" or reference.dtype != "float32":
        return None
    half = _half_precision(reference)
    if has_gpu and reference.device == "auto":
        return f"models.photo.device=cuda (the dtype is then {half})"
    if not has_gpu and half == "bfloat16" and _cpu_has_bfloat16():
        return "models.photo.dtype=bfloat16"
    return None


def _half_precision(reference: ModelReference) -> str:
    config = model_config(model_directory(reference), reference.name)
    convolutional = known_family(str(config.get("model_type")), reference.name).convolutional
    return "float16" if convolutional else "bfloat16"


@cache
def _cpu_has_bfloat16() -> bool:
    # Where a CPU has none, torch works in bfloat16 all the same, but slower than in float32.
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _BFLOAT16_INSTRUCTIONS.isdisjoint(flags.split())
