"""From the model's settings to the reference that executors load."""

from typing import TYPE_CHECKING

from jobs.settings.sections import ModelSettings

if TYPE_CHECKING:
    from udfs.models import ModelReference


def model_reference(settings: ModelSettings) -> "ModelReference":
    """The model as a picklable reference. A hub token stays in the environment and is not part of it."""
    from udfs.models import ModelReference

    return ModelReference(
        name=settings.name,
        revision=settings.revision,
        device=settings.device,
        dtype=settings.dtype,
        scaled_decoding=settings.scaled_decoding,
        compiled=settings.compiled,
    )
