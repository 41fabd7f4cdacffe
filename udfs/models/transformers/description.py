"""What a model is, read from its files alone: its key, its dimension, whether it reads text. No torch needed.

Two models have the same key when they make the same vectors: a renamed or moved copy keeps it; a changed
weight, preprocessing value, tokenizer, pooling or dtype changes it. The device is not part of it.
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from udfs.errors import ModelError
from udfs.inference.tasks import tasks_of
from udfs.models.description import ModelDescription
from udfs.models.digests import file_digest
from udfs.models.reference import ModelReference, model_config, model_directory, read_json, weight_files
from udfs.models.transformers.families import Family, known_family
from udfs.models.transformers.precision import settled
from udfs.models.transformers.weights import number, tensor_shapes

PREPROCESSING = "libjpeg-turbo, torch uint8 antialias, else transformers-pil"
"""How pixels are made; to be changed together with udfs/images/frames.py and pixels.py beside this file, as vectors
change with them."""

_KEY_FORMAT = 2
_IRRELEVANT_CONFIG = {
    "_name_or_path", "_commit_hash", "name_or_path", "architectures", "transformers_version", "torch_dtype",
    "dtype", "id2label", "label2id", "num_labels", "problem_type", "processor_class", "auto_map",
    "tokenizer_file", "use_fast", "_attn_implementation", "_attn_implementation_autoset",
    "output_attentions", "output_hidden_states", "return_dict",
}  # fmt: skip
_TOKENIZER_FILES = (
    "added_tokens.json", "merges.txt", "special_tokens_map.json", "spiece.model", "tokenizer.json",
    "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NetworkDescription(ModelDescription):
    """`family` is the model_type of config.json, `pooling` what becomes the vector, `dtype` what it runs in."""

    family: str
    pooling: str
    dtype: str


def describe(reference: ModelReference) -> NetworkDescription:
    """Read the model's files and say what it is. Its weights are hashed once on a machine (digests.py).

    Raises:
        ModelError: a file is missing, damaged or pickled, or the family is unknown.
    """
    reference = settled(reference)
    directory = model_directory(reference)
    weights = weight_files(directory, reference.name)
    config = model_config(directory, reference.name)
    family_name = str(config.get("model_type"))
    family = known_family(family_name, reference.name)
    dimension = _dimension(weights, family, reference.name)
    parts: dict[str, Any] = {
        "format": _KEY_FORMAT,
        "weights": [file_digest(path) for path in weights],
        "config": _relevant(config),
        "preprocessing": [PREPROCESSING, preprocessing_config(directory, reference.name)],
        "scaled_decoding": reference.scaled_decoding,
        "tokenizer": _tokenizer(directory, reference.name) if family.has_text else None,
        "text": [family.pad_text_to_maximum, family.lowercase_text],
        "pooling": family.pooling,
        "dimension": dimension,
        "normalisation": "l2",
        "dtype": reference.dtype,
    }
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    key = hashlib.sha256(canonical.encode()).hexdigest()[:16]
    logarithm = number(weights, "logit_scale") if family.has_text else None
    scale = None if logarithm is None else math.exp(logarithm)
    return NetworkDescription(
        model_key=key,
        dimension=dimension,
        tasks=tasks_of(has_text=family.has_text),
        logit_scale=scale,
        family=family_name,
        pooling=family.pooling,
        dtype=reference.dtype,
    )


def preprocessing_config(directory: Path, name: str) -> dict[str, Any]:
    """How the model wants its pixels, from wherever transformers keeps it, without fields that decide
    nothing.

    Raises:
        ModelError: the model does not say how.
    """
    combined = directory / "processor_config.json"
    nested = read_json(combined).get("image_processor") if combined.is_file() else None
    single = directory / "preprocessor_config.json"
    if isinstance(nested, dict):
        values = nested
    elif single.is_file():
        values = read_json(single)
    else:
        raise ModelError(
            f"model {name} has no preprocessor_config.json, which says how it wants its pixels; copy it from "
            f"where the model came from."
        )
    values = _relevant(values)
    if isinstance(values.get("image_processor_type"), str):
        # Backends of one and the same processor: which of them is used is decided here, not in the file.
        values["image_processor_type"] = re.sub(r"(Fast|Pil)$", "", values["image_processor_type"])
    return values


def _relevant(value: dict[str, Any]) -> dict[str, Any]:
    kept = {key: inner for key, inner in value.items() if key not in _IRRELEVANT_CONFIG and inner is not None}
    return {key: _relevant(inner) if isinstance(inner, dict) else inner for key, inner in kept.items()}


def _tokenizer(directory: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in _TOKENIZER_FILES:
        path = directory / file
        if path.is_file():
            found[file] = _relevant(read_json(path)) if file == "tokenizer_config.json" else file_digest(path)
    if not found.keys() - {"tokenizer_config.json", "special_tokens_map.json"}:
        raise ModelError(f"model {name} reads text but has no tokenizer.json; copy it from the model's source.")
    return found


def _dimension(weights: tuple[Path, ...], family: Family, name: str) -> int:
    shapes = {tensor: shape for path in weights for tensor, shape in tensor_shapes(path).items()}
    widths = [shape[0] for tensor, shape in shapes.items() if shape and re.fullmatch(family.width, tensor)]
    if not widths:
        raise ModelError(f"model {name}: no tensor like {family.width} in its weights; they are not of this family.")
    return max(widths)
