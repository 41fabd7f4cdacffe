"""Photos and texts to unit vectors. Nothing heavy is imported until an encoder is loaded."""

from typing import TYPE_CHECKING

from udfs.encoders.model_key import ModelDescription, describe_model, model_key
from udfs.encoders.precision import settled
from udfs.encoders.reference import ModelReference

if TYPE_CHECKING:
    from udfs.encoders.protocol import Encoder

__all__ = ["ModelDescription", "ModelReference", "describe_model", "load_encoder", "model_key", "settled"]


def load_encoder(reference: ModelReference) -> "Encoder":
    """Load the model onto its device, ready to encode. On executors the process that owns the device
    does this, once for all tasks (udfs.residency).

    Raises:
        ModelError: the model is missing, incomplete, of an unknown family, or its device is not there.
    """
    description = describe_model(reference)
    if description.has_text:
        from udfs.encoders.dual import DualEncoder

        return DualEncoder(settled(reference), description)
    from udfs.encoders.vision import VisionEncoder

    return VisionEncoder(settled(reference), description)
