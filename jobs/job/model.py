"""The models of a run, by role: settled and described once, as the executors will load them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.settings.sections import ModelSettings
    from udfs.models import ModelDescription, ModelReference


@dataclass(frozen=True)
class CurrentModel:
    """A model that a role asks for: its settings, the settled reference that travels, and what it is."""

    settings: "ModelSettings"
    reference: "ModelReference"
    description: "ModelDescription"

    @property
    def name(self) -> str:
        """As the settings name it."""
        return self.settings.name

    @property
    def model_key(self) -> str:
        """Hash of everything that decides its vectors."""
        return self.description.model_key

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        return self.description.dimension

    @property
    def has_text(self) -> bool:
        """Whether it reads text."""
        return self.description.has_text


def current_model(settings: "ModelSettings") -> CurrentModel:
    """Settle and describe a model. A hub token stays in the environment and is no part of the reference.

    Raises:
        ModelError: the model cannot be described.
    """
    from udfs.models import ModelReference, describe_model, settled

    reference = settled(
        ModelReference(
            name=settings.name,
            revision=settings.revision,
            device=settings.device,
            dtype=settings.dtype,
            scaled_decoding=settings.scaled_decoding,
            compiled=settings.compiled,
            kind=settings.kind,
            options=settings.options,
            host=settings.host,
            deadline_seconds=settings.deadline_seconds,
        )
    )
    return CurrentModel(settings, reference, describe_model(reference))
