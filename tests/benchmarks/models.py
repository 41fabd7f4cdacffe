"""The encoders that every engine runs, as directories in the hub's form: MobileNet v1 and CLIP ViT-B/32.

MobileNet's weights are trained where a directory with them is there. CLIP's are random: how fast a model is does not
depend on what it knows.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from udfs.models import ModelReference

SHARED_MOBILENET = Path(__file__).resolve().parents[3] / "shared" / "models" / "mobilenet-v1-1.0-224"
ENCODERS = ("mobilenet", "clip")
TITLES = {"mobilenet": "MobileNet v1 1.0-224", "clip": "CLIP ViT-B/32"}
SIDE = 224


def model_directory(root: Path, encoder: str, mobilenet: Path | None = None) -> Path:
    """The directory of an encoder, built under `root` where there is none yet."""
    if encoder == "mobilenet":
        given = mobilenet or (SHARED_MOBILENET if SHARED_MOBILENET.is_dir() else None)
        return given.resolve() if given else _built(root / "mobilenet-random", _build_mobilenet)
    return _built(root / "clip-vit-b-32-random", _build_clip)


def reference_to(directory: Path, device: str = "auto") -> "ModelReference":
    """The encoder in the precision that `claimlens doctor` advises on this machine, as a user would set it."""
    from udfs.inference.host.placement import gpu_count
    from udfs.models import ModelReference, settled
    from udfs.models.transformers.precision import better_dtype

    plain = ModelReference(str(directory), device=device)
    better = better_dtype(settled(plain), has_gpu=device == "auto" and gpu_count() > 0)
    if better == "models.photo.dtype=bfloat16":
        return replace(plain, dtype="bfloat16")
    return plain if better is None else replace(plain, device="cuda")


def _built(directory: Path, build: Callable[[Path], None]) -> Path:
    if not directory.is_dir():
        half = directory.with_name(f".{directory.name}")
        shutil.rmtree(half, ignore_errors=True)
        build(half)
        half.rename(directory)
    return directory.resolve()


def _build_mobilenet(directory: Path) -> None:
    from transformers import MobileNetV1Config, MobileNetV1ImageProcessorPil, MobileNetV1Model

    _seed()
    model = MobileNetV1Model(MobileNetV1Config()).eval()
    _spread(model)
    model.save_pretrained(directory)
    processor = MobileNetV1ImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_center_crop=False)
    processor.save_pretrained(directory)


def _build_clip(directory: Path) -> None:
    """The vision tower in full; the text tower, which nobody runs here, as small as it can be."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

    pieces = [*"abcdefghijklmnopqrstuvwxyz", *(f"{letter}</w>" for letter in "abcdefghijklmnopqrstuvwxyz")]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], model_max_length=77
    )
    tiny = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    _seed()
    model = CLIPModel(CLIPConfig(text_config={**tiny, **special, "vocab_size": len(tokenizer)})).eval()
    _spread(model)
    model.save_pretrained(directory)
    CLIPProcessor(CLIPImageProcessorPil(), tokenizer).save_pretrained(directory)
    CLIPImageProcessorPil().save_pretrained(directory)


def _seed() -> None:
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(7)


def _spread(model: "PreTrainedModel") -> None:
    """Fresh models start with tiny weights, and find all photos alike: let the first layer tell them apart."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter.copy_(torch.randn_like(parameter) * (2 / parameter[0].numel()) ** 0.5)
