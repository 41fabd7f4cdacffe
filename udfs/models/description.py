"""What a model is, as far as anyone has to know to plan with it, whatever its kind."""

from dataclasses import dataclass

from udfs.inference.tasks import EMBED_TEXTS


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """`model_key` is a hash of everything that decides its results, `dimension` the length of its vectors, 0 where it
    gives none. `tasks` are names of tasks.TASKS. `logit_scale` is the factor on cosines that a model of photos and
    texts was trained with, already out of its logarithm; None where there is none."""

    model_key: str
    dimension: int
    tasks: frozenset[str]
    logit_scale: float | None = None

    @property
    def has_text(self) -> bool:
        """Whether it gives texts vectors."""
        return EMBED_TEXTS.name in self.tasks
