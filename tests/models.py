"""Tiny models with seeded random weights, saved as safetensors the way the hub has them. Plain functions."""

import json
from pathlib import Path

SIDE = 32
PATCH = 8
WIDTH = 32


def build_clip(folder: Path, seed: int = 0) -> Path:
    """A CLIP model of dimension 24 with a character tokenizer."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    tokenizer = CLIPTokenizer(vocab=_clip_vocabulary(), merges=[], model_max_length=77)
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = CLIPConfig(
        text_config={**_tower(), "vocab_size": len(tokenizer), "max_position_embeddings": 40, **special},
        vision_config={**_tower(), "image_size": SIDE, "patch_size": PATCH},
        projection_dim=24,
    )
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return _save(folder, CLIPModel, config, processor, tokenizer=tokenizer, seed=seed)


def build_siglip(folder: Path, seed: int = 0) -> Path:
    """A SigLIP model (or fixed-resolution SigLIP 2, which has the same shape) of dimension 32."""
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    tokenizer = _sigmoid_tokenizer()
    config = SiglipConfig(
        text_config={**_tower(), **_sigmoid_text(tokenizer)},
        vision_config={**_tower(), "image_size": SIDE, "patch_size": PATCH},
    )
    processor = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    return _save(folder, SiglipModel, config, processor, tokenizer=tokenizer, seed=seed)


def build_siglip2(folder: Path, seed: int = 0) -> Path:
    """A SigLIP 2 model of flexible resolution, dimension 32."""
    from transformers import Siglip2Config, Siglip2ImageProcessorPil, Siglip2Model

    tokenizer = _sigmoid_tokenizer()
    config = Siglip2Config(
        text_config={**_tower(), **_sigmoid_text(tokenizer)},
        vision_config={**_tower(), "patch_size": PATCH, "num_patches": 16},
    )
    processor = Siglip2ImageProcessorPil(patch_size=PATCH, max_num_patches=16)
    return _save(folder, Siglip2Model, config, processor, tokenizer=tokenizer, seed=seed)


def build_vit(folder: Path, seed: int = 0) -> Path:
    """A ViT of dimension 32."""
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    config = ViTConfig(**_tower(), image_size=SIDE, patch_size=PATCH)
    return _save(
        folder,
        ViTModel,
        config,
        ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}),
        seed=seed,
    )


def build_dinov2(folder: Path, seed: int = 0) -> Path:
    """A DINOv2 of dimension 32."""
    from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=PATCH
    )
    processor = BitImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return _save(folder, Dinov2Model, config, processor, seed=seed)


def build_mobilenet_v1(folder: Path, seed: int = 0) -> Path:
    """A MobileNet v1 of dimension 64."""
    from transformers import MobileNetV1Config, MobileNetV1ImageProcessorPil, MobileNetV1Model

    config = MobileNetV1Config(image_size=SIDE, depth_multiplier=0.0625)
    processor = MobileNetV1ImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_center_crop=False)
    return _save(folder, MobileNetV1Model, config, processor, seed=seed)


def build_other_vision(folder: Path, family: str, seed: int = 0) -> Path:
    """A tiny model of any further vision family, by its model_type."""
    import transformers as hf

    vit = {**_tower(), "image_size": SIDE, "patch_size": PATCH}
    small = {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32]}
    known = {
        "deit": (hf.DeiTModel, hf.DeiTConfig, vit),
        "vit_msn": (hf.ViTMSNModel, hf.ViTMSNConfig, vit),
        "ijepa": (hf.IJepaModel, hf.IJepaConfig, vit),
        "dinov2_with_registers": (hf.Dinov2WithRegistersModel, hf.Dinov2WithRegistersConfig, vit),
        "dinov3_vit": (hf.DINOv3ViTModel, hf.DINOv3ViTConfig, vit),
        "clip_vision_model": (hf.CLIPVisionModel, hf.CLIPVisionConfig, vit),
        "siglip_vision_model": (hf.SiglipVisionModel, hf.SiglipVisionConfig, vit),
        "swin": (
            hf.SwinModel,
            hf.SwinConfig,
            {
                "image_size": SIDE,
                "patch_size": 4,
                "embed_dim": 8,
                "depths": [1, 1],
                "num_heads": [2, 2],
                "window_size": 4,
            },
        ),
        "convnext": (hf.ConvNextModel, hf.ConvNextConfig, small),
        "convnextv2": (hf.ConvNextV2Model, hf.ConvNextV2Config, small),
        "dinov3_convnext": (hf.DINOv3ConvNextModel, hf.DINOv3ConvNextConfig, small),
        "resnet": (hf.ResNetModel, hf.ResNetConfig, {**small, "embedding_size": 8}),
        "mobilenet_v2": (
            hf.MobileNetV2Model,
            hf.MobileNetV2Config,
            {"image_size": SIDE, "depth_multiplier": 0.25},
        ),
    }
    model, config, values = known[family]
    return _save(
        folder,
        model,
        config(**values),
        hf.ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}),
        seed=seed,
    )


def change_json(path: Path, **changes: object) -> None:
    """Set fields of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _tower() -> dict[str, int]:
    return {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def _sigmoid_text(tokenizer) -> dict[str, int]:
    return {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 64,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _clip_vocabulary() -> dict[str, int]:
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = sorted(ByteLevel.alphabet())
    pieces = [*alphabet, *(letter + "</w>" for letter in alphabet), "<|startoftext|>", "<|endoftext|>"]
    return {piece: number for number, piece in enumerate(pieces)}


def _sigmoid_tokenizer():
    from transformers import Siglip2Tokenizer

    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *"abcdefghijklmnopqrstuvwxyz0123456789.,"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return Siglip2Tokenizer(vocab=vocabulary, merges=[], model_max_length=64, model_input_names=["input_ids"])


def _save(folder: Path, model_class, config, processor, *, tokenizer=None, seed: int) -> Path:
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)
        # Fresh models start with tiny weights: photos would be almost alike, or vanish in many layers.
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 4:
                    parameter.copy_(torch.randn_like(parameter) * (2 / parameter[0].numel()) ** 0.5)
                elif parameter.ndim > 1:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder
