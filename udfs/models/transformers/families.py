"""Which model families are known, how each is pooled, and which tensor tells the length of its vectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from udfs.errors import ModelError


@dataclass(frozen=True)
class Family:
    """What has to be known about a `model_type` beyond its config.json.

    `pooling` names what becomes the vector: `features` is the output of get_image_features and
    get_text_features, `pooler` the pooler_output, `cls` the first token of the last hidden state, `mean` the
    mean over its tokens. `width` is a regular expression for tensor names; the longest first axis among them
    is the vector's dimension. `convolutional` networks lose direction in bfloat16 and gain from channels_last and
    folded normalisation.
    """

    pooling: str
    width: str
    has_text: bool = False
    pad_text_to_maximum: bool = False
    lowercase_text: bool = False
    convolutional: bool = False

    @property
    def portion(self) -> int:
        """Photos that one CPU core takes at a time with the least work per photo.

        A convolution's activations have to fit into the core's cache; a transformer reads its weights once for all.
        """
        return 4 if self.convolutional else 8


_VISION_TOWER = Family("pooler", r"(vision_model\.)?post_layernorm\.weight")
_CLS = Family("cls", r"(\w+\.)?layernorm\.weight")
_POOLED = Family("pooler", r"(\w+\.)?layernorm\.weight")
_CONVNEXT = Family("pooler", r"(\w+\.)?layernorm\.weight", convolutional=True)
# SigLIP is trained on lower-cased text, always padded to the full length, with the last position pooled.
_SIGLIP = Family(
    "features",
    r"vision_model\.post_layernorm\.weight",
    has_text=True,
    pad_text_to_maximum=True,
    lowercase_text=True,
)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "clip": Family("features", r"visual_projection\.weight", has_text=True),
        "siglip": _SIGLIP,
        "siglip2": _SIGLIP,
        "clip_vision_model": _VISION_TOWER,
        "siglip_vision_model": _VISION_TOWER,
        "vit": _CLS,
        "deit": _CLS,
        "vit_msn": _CLS,
        "dinov2": _CLS,
        "dinov2_with_registers": _CLS,
        "dinov3_vit": Family("cls", r"(\w+\.)?norm\.weight"),
        "ijepa": Family("mean", r"(\w+\.)?layernorm\.weight"),
        "swin": _POOLED,
        "convnext": _CONVNEXT,
        "convnextv2": _CONVNEXT,
        "dinov3_convnext": Family("pooler", r"(\w+\.)?(layer_)?norm\.weight", convolutional=True),
        "resnet": Family(
            "pooler", r"(\w+\.)?encoder\.stages\.\d+\.layers\.0\.shortcut\.convolution\.weight", convolutional=True
        ),
        "mobilenet_v1": Family("pooler", r"(\w+\.)?layer\.25\.convolution\.weight", convolutional=True),
        "mobilenet_v2": Family("pooler", r"(\w+\.)?conv_1x1\.convolution\.weight", convolutional=True),
    }
)


def known_family(model_type: str, name: str) -> Family:
    """The family of the model called `name`, by its config's model_type.

    Raises:
        ModelError: it is not known here.
    """
    if model_type not in FAMILIES:
        raise ModelError(
            f"model {name} is of the family {model_type}, which is not known here; use {', '.join(FAMILIES)}."
        )
    return FAMILIES[model_type]
