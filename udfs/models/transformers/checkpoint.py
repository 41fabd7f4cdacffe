"""What both encoders share: loading safetensors onto a device without surprises, and unit rows out of
features."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from udfs.errors import ModelError, first_line
from udfs.models.transformers.convolutions import ease_convolutions
from udfs.models.transformers.families import Family

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# Parts that some checkpoints lack and no vector depends on, unless the pooler is what makes the vector.
_UNUSED = r"(.*\.)?(mask_token|position_ids)"
_UNUSED_WITHOUT_POOLER = r"(.*\.)?pooler\..*|" + _UNUSED


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and load reports of transformers while a model loads; what matters becomes a
    ModelError."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def network(directory: Path, name: str, family: Family, *, dtype: str, device: str) -> "PreTrainedModel":
    """The model in evaluation mode on its device, every weight from safetensors, no code from the model's files.

    Convolutional networks come with their normalisation folded into the convolutions.

    Raises:
        ModelError: weights are missing, of other shapes, or do not load; or the device is not there.
    """
    import torch
    from transformers import AutoModel

    target, precision = torch_device(device), getattr(torch, dtype)
    try:
        with quiet():
            model, loading = AutoModel.from_pretrained(
                directory,
                # Folding multiplies weights: in full precision, before they are rounded.
                dtype=torch.float32 if family.convolutional else precision,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (ValueError, OSError, RuntimeError, KeyError, ImportError) as error:
        raise ModelError(f"model {name} does not load ({type(error).__name__}: {first_line(error)}).") from error
    unused = _UNUSED if family.pooling == "pooler" else _UNUSED_WITHOUT_POOLER
    missing = sorted(str(key) for key in loading["missing_keys"] if re.fullmatch(unused, str(key)) is None)
    if missing or loading["mismatched_keys"]:
        example = missing[0] if missing else str(next(iter(loading["mismatched_keys"])))
        count = len(missing) + len(loading["mismatched_keys"])
        raise ModelError(
            f"model {name}: {count} weights that config.json asks for are missing, such as {example}; they would be "
            f"random. Copy the model again."
        )
    model.eval()
    if not family.convolutional:
        return model.to(target)
    ease_convolutions(model)
    return model.to(target, precision, memory_format=torch.channels_last)


def compiled(call: "Callable[..., torch.Tensor]", name: str, device: "torch.device") -> "Callable[..., torch.Tensor]":
    """`call` through torch.compile, once per shape of its input; on a CPU with the weights as constants.

    What it returns raises ModelError where the compiler fails, for want of a C++ compiler above all.
    """
    import torch

    options: dict[str, Any] | None = {"freezing": True} if device.type == "cpu" else None
    fast = torch.compile(call, dynamic=False, options=options)

    def run(batch: "Mapping[str, torch.Tensor]") -> "torch.Tensor":
        try:
            result: torch.Tensor = fast(batch)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise ModelError(
                f"model {name} cannot be compiled on this machine ({first_line(error)}); "
                "install a C++ compiler (on CUDA Triton), or set models.photo.compiled=false."
            ) from error
        return result

    return run


def resident_bytes(model: "PreTrainedModel") -> int:
    """Bytes that the model's parameters and buffers take on its device."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def torch_device(device: str) -> "torch.device":
    """The device by its setting; auto is the first CUDA device where there is one, else the CPU.

    Raises:
        ModelError: this machine has no such device.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"model device {device} is not known; use auto, cpu, mps, cuda or cuda:N.") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"model device {device} is not on this machine; set models.photo.device=auto or cpu.")
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ModelError("model device mps is not on this machine; set models.photo.device=auto or cpu.")
    return chosen
