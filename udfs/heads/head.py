"""What a classifier of photos is to the rest of the house: from stored vectors to decisions, whatever made it."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from udfs.heads.decision import Predictions
    from udfs.heads.taxonomy import Taxonomy


class Head(Protocol):
    """A classifier of one model's vectors. It travels to the executors, so it pickles, and is small.

    The bodies of `predict` end in udfs.heads.decision.decide, so that one rule decides for all heads.
    """

    @property
    def head_key(self) -> str:
        """Identity (16 hex digits) of what decides its predictions; another rule, class or weight is another key."""
        ...

    @property
    def model_key(self) -> str:
        """Of the model whose vectors it reads."""
        ...

    @property
    def taxonomy(self) -> "Taxonomy":
        """What it can find."""
        ...

    @property
    def kind(self) -> str:
        """What sort of head it is, and the version of its formula: zero_shot/1."""
        ...

    def predict(self, vectors: "ArrayLike") -> "Predictions":
        """Classify vectors (n, dimension).

        Raises:
            ModelError: the vectors are of another length, or one of them is zero or not finite.
        """
        ...
