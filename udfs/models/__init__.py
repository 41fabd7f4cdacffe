"""Models by reference: what they are, and how they are opened. Nothing heavy is imported until one is."""

from udfs.models.description import ModelDescription
from udfs.models.kinds import describe_model, open_model, settled
from udfs.models.reference import ModelReference

__all__ = ["ModelDescription", "ModelReference", "describe_model", "open_model", "settled"]
