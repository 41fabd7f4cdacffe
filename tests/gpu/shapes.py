"""The encoders that are measured on a GPU: full-size vision towers with random weights, tiny text towers.

How fast a model is does not depend on what it knows. Shapes from the models' own config.json: openai/clip-vit-large-
patch14, google/siglip2-so400m-patch14-224, google/siglip2-base-patch16-256.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TINY_TEXT = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}


@dataclass(frozen=True)
class Shape:
    """A vision tower: `kind` is clip or siglip, `vision` its vision_config, `projection` the length of a vector."""

    title: str
    kind: str
    side: int
    vision: dict[str, int]
    projection: int


def _vision(width: int, inner: int, layers: int, heads: int, patch: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "patch_size": patch,
    }


SHAPES = {
    "clip-l14": Shape("CLIP L/14", "clip", 224, _vision(1024, 4096, 24, 16, 14), 768),
    "so400m": Shape("SigLIP 2 so400m-224", "siglip", 224, _vision(1152, 4304, 27, 16, 14), 1152),
    "b16-256": Shape("SigLIP 2 B/16-256", "siglip", 256, _vision(768, 3072, 12, 12, 16), 768),
    "tiny": Shape("tiny CLIP (to try the script)", "clip", 32, _vision(32, 64, 2, 2, 8), 24),
}


def model_directory(root: Path, name: str) -> Path:
    """The directory of a shape under `root`, built there where it is missing."""
    directory = root / name
    if not directory.is_dir():
        half = directory.with_name(f".{name}")
        shutil.rmtree(half, ignore_errors=True)
        _build(half, SHAPES[name])
        half.rename(directory)
    return directory


def _build(directory: Path, shape: Shape) -> None:
    import torch
    from transformers import (
        CLIPConfig,
        CLIPImageProcessorPil,
        CLIPModel,
        SiglipConfig,
        SiglipImageProcessorPil,
        SiglipModel,
    )

    vision = {**shape.vision, "image_size": shape.side}
    torch.manual_seed(7)
    with torch.device("cpu"):
        if shape.kind == "clip":
            text: dict[str, Any] = {**_TINY_TEXT, "vocab_size": 64, "bos_token_id": 0, "eos_token_id": 1}
            model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=shape.projection))
            size = {"size": {"shortest_edge": shape.side}, "crop_size": {"height": shape.side, "width": shape.side}}
            processor = CLIPImageProcessorPil(**size)
        else:
            text = {
                **_TINY_TEXT,
                "hidden_size": shape.projection,
                "projection_size": shape.projection,
                "vocab_size": 64,
            }
            text["num_attention_heads"] = 16 if shape.projection % 16 == 0 else 12
            model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
            processor = SiglipImageProcessorPil(size={"height": shape.side, "width": shape.side})
    with torch.no_grad():  # fresh models start with weights so small that all photos look alike
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter.copy_(torch.randn_like(parameter) * (2 / parameter[0].numel()) ** 0.5)
    model.to(torch.bfloat16).save_pretrained(directory)
    processor.save_pretrained(directory)
    _save_tokenizer(directory)


def _save_tokenizer(directory: Path) -> None:
    """Any tokenizer will do: no text is read here, but a model with a text tower has to have one."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(WordLevel({"<bos>": 0, "<eos>": 1, "<unk>": 2}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", unk_token="<unk>", pad_token="<eos>"
    )
    fast.model_max_length = 16
    fast.save_pretrained(directory)
    path = directory / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": 16}))
