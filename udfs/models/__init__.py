"""Photos and texts to unit vectors. Nothing heavy is imported until an encoder is loaded."""

from typing import TYPE_CHECKING

from udfs.models.reference import ModelReference
from udfs.models.transformers.description import ModelDescription, describe_model, model_key
from udfs.models.transformers.precision import settled

if TYPE_CHECKING:
    from udfs.inference.network import Encoder

__all__ = ["ModelDescription", "ModelReference", "describe_model", "load_encoder", "model_key", "settled"]


def load_encoder(reference: ModelReference) -> "Encoder":
    """Load the model onto its device, ready to encode. On executors the process that owns the device
    does this, once for all tasks (udfs.inference.host).

    Raises:
        ModelError: the model is missing, incomplete, of an unknown family, or its device is not there.
    """
    description = describe_model(reference)
    if description.has_text:
        from udfs.models.transformers.dual import DualEncoder

        return DualEncoder(settled(reference), description)
    from udfs.models.transformers.vision import VisionEncoder

    return VisionEncoder(settled(reference), description)
