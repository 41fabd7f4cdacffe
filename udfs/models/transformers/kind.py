"""The kind `transformers`: networks of the Hugging Face library, run by torch on the cores or a GPU."""

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from udfs.inference.engines import engine_for
from udfs.models.kinds import Kind, Resources
from udfs.models.transformers.description import describe
from udfs.models.transformers.precision import settled

if TYPE_CHECKING:
    from udfs.inference.engine import Engine
    from udfs.models.reference import ModelReference
    from udfs.models.transformers.vision import VisionEncoder

_open: "WeakValueDictionary[ModelReference, VisionEncoder]" = WeakValueDictionary()
"""The encoders of engines that are open: another batch size takes the weights that are there."""


def load_encoder(reference: "ModelReference") -> "VisionEncoder":
    """The network by itself, on its device, without an engine around it: for tests, training and measurements.

    Raises:
        ModelError: the model is missing, incomplete, of an unknown family, or its device is not there.
    """
    reference, description = settled(reference), describe(reference)
    if description.has_text:
        from udfs.models.transformers.dual import DualEncoder

        return DualEncoder(reference, description)
    from udfs.models.transformers.vision import VisionEncoder

    return VisionEncoder(reference, description)


def open_encoder(reference: "ModelReference", resources: Resources) -> "Engine":
    """The network with the engine of its device."""
    reference = settled(reference)
    encoder = _open.get(reference)
    if encoder is None:
        encoder = _open[reference] = load_encoder(reference)
    return engine_for(encoder, resources.cores, resources.workers, resources.batch_size, static=reference.compiled)


KIND = Kind(describe, open_encoder, settled)
