"""Models by reference: what they are, and how they are opened. Nothing heavy is imported until one is."""

from typing import TYPE_CHECKING

from udfs.models.description import ModelDescription
from udfs.models.kinds import describe_model, open_model, settled
from udfs.models.reference import ModelReference

if TYPE_CHECKING:
    from udfs.inference.network import Encoder

__all__ = ["ModelDescription", "ModelReference", "describe_model", "load_encoder", "open_model", "settled"]


def load_encoder(reference: ModelReference) -> "Encoder":
    """See transformers.kind.load_encoder."""
    from udfs.models.transformers import kind

    return kind.load_encoder(reference)
