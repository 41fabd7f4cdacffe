"""Convolutional networks made cheaper to run, without other results: what training needs is taken out."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def ease_convolutions(model: "nn.Module") -> None:
    """Change a loaded network in evaluation mode in place, where its layers are built as Hugging Face's MobileNet and
    ResNet layers are: `convolution`, `normalization`, `activation`.

    Batch normalisation goes into the convolution's weights; TensorFlow's padding becomes the convolution's own where it
    is the same on both sides, which spares a copy of the layer's input; rectifiers work in place.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    unpadded: Any = SimpleNamespace(tf_padding=False)
    for layer in model.modules():
        convolution, normalization, activation, config = (
            getattr(layer, name, None) for name in ("convolution", "normalization", "activation", "config")
        )
        if not isinstance(convolution, nn.Conv2d):
            continue
        if isinstance(normalization, nn.BatchNorm2d):
            convolution = fuse_conv_bn_eval(convolution, normalization)
            layer.convolution, layer.normalization = convolution, nn.Identity()
        if isinstance(activation, (nn.ReLU, nn.ReLU6)):
            activation.inplace = True
        if getattr(config, "tf_padding", False) and _pads_evenly(convolution):
            convolution.padding = tuple(side // 2 for side in convolution.kernel_size)
            layer.config = unpadded


def _pads_evenly(convolution: "nn.Conv2d") -> bool:
    # TensorFlow pads kernel - stride in all; with a stride of 1 that is even for every size of the input.
    odd = all(side % 2 == 1 for side in convolution.kernel_size)
    return odd and set(convolution.stride) == {1} and set(convolution.dilation) == {1}
