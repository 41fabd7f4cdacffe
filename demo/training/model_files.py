"""The demo model's own form: configuration, tokenizer and image processor, saved as Hugging Face files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

IMAGE_SIZE = 96
PATCH_SIZE = 12
GRID = IMAGE_SIZE // PATCH_SIZE
MAXIMUM_TOKENS = 32
# 2 is left to <s>: an end token numbered 2 switches CLIP to a pooling rule kept for old checkpoints.
SPECIAL_TOKENS = {"pad": ("<pad>", 0), "unk": ("<unk>", 1), "bos": ("<s>", 2), "eos": ("</s>", 3)}


def build_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """A lower-casing word tokenizer over the words of the texts; other words become <unk>."""
    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    splitter = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(r"[^\w-]"), behavior="removed"),
        ]
    )
    words: set[str] = set()
    for text in texts:
        words |= {word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))}
    vocabulary = dict(SPECIAL_TOKENS.values())
    vocabulary |= {word: number for number, word in enumerate(sorted(words), start=len(vocabulary))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A $B </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=MAXIMUM_TOKENS,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
    )


def build_model(vocabulary_size: int) -> CLIPModel:
    """A CLIP of about 1.1 million parameters, at random."""
    text = {
        "vocab_size": vocabulary_size,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": MAXIMUM_TOKENS,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "hidden_act": "gelu",
    }
    vision = {
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": IMAGE_SIZE,
        "patch_size": PATCH_SIZE,
        "hidden_act": "gelu",
    }
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=128, logit_scale_init_value=2.6)
    return CLIPModel(config)


def processor_settings() -> dict[str, Any]:
    """What happens to a photo before the model: squeezed to a square, scaled to -1..1."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        "resample": 3,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


def save(model: CLIPModel, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Writes weights (float16), configuration, tokenizer and image processor."""
    directory.mkdir(parents=True, exist_ok=True)
    model.to(torch.float16).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    settings = json.dumps(processor_settings(), indent=2) + "\n"
    (directory / "preprocessor_config.json").write_text(settings, encoding="utf-8")
    model.to(torch.float32)
