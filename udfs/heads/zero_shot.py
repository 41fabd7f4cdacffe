"""Zero-shot classification of stored vectors: one matrix product against a taxonomy's prompt ensembles."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from udfs.errors import ModelError
from udfs.heads.decision import Predictions, checked_vectors, decide, probabilities
from udfs.heads.taxonomy import Taxonomy, taxonomy_key

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Floats = NDArray[np.float32]

KIND = "zero_shot/1"
"""Kind and version of the formula, part of the head_key: a changed formula never mixes with old rows."""
DEFAULT_SCALE = 100.0
"""Where the model states no scale: the bound to which CLIP clips its learned one (Radford et al. 2021)."""


def head_key(taxonomy: Taxonomy, model_key: str) -> str:
    """Identity (16 hex digits) of the taxonomy's zero-shot head for a model; needs no text tower to compute.

    It covers the formula, the taxonomy's content, and the model_key, which covers the model's own scale.
    """
    return hashlib.sha256(f"{KIND}\n{model_key}\n{taxonomy_key(taxonomy)}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ZeroShotHead:
    """A taxonomy turned into numbers; plain numpy, so it pickles into a task of a few hundred kilobytes.

    directions: float32 (dimension, classes): the unit ensemble of a class, less that of its contrast in the
    multi-label facet. The columns run over the facets in order, without the none class.
    scales: float32 (classes,): the facet's temperature, else the model's scale.
    """

    taxonomy: Taxonomy
    model_key: str
    head_key: str
    directions: Floats
    scales: Floats

    @property
    def dimension(self) -> int:
        """Length of the vectors that the head reads."""
        return int(self.directions.shape[0])

    @property
    def kind(self) -> str:
        """Zero-shot, and the version of its formula."""
        return KIND

    def predict(self, vectors: "ArrayLike") -> Predictions:
        """Classify vectors (n, dimension); their length does not matter, only their direction.

        With t the scale and cos the cosine to an ensemble, the scores that decide reads are
          multi-label   sigmoid(t (cos(v, class) - cos(v, contrast))),
          single-label  softmax over classes of t cos(v, class).

        Raises:
            ModelError: the vectors have another dimension, or one of them is zero or not finite.
        """
        array, norms = checked_vectors(vectors, self.dimension, self.head_key)
        logits = (array @ self.directions) / norms * self.scales
        return decide(self.taxonomy, probabilities(self.taxonomy, logits))


def build_head(
    taxonomy: Taxonomy,
    encode_texts: Callable[[Sequence[str]], Floats],
    model_key: str,
    logit_scale: float | None,
) -> ZeroShotHead:
    """Encode a taxonomy's prompts, each once, and average them to ensembles.

    An ensemble is the normalised mean of its prompts' unit vectors (Radford et al. 2021, section 3.1.4).

    Args:
        taxonomy: the facets, classes and prompts.
        encode_texts: the model's text tower: sentences to float32 (n, dimension).
        model_key: of the model that the text tower belongs to.
        logit_scale: the factor by which the model multiplies cosines; None takes 100.

    Raises:
        ModelError: the text tower gives vectors that are zero or not finite.
    """
    facets = taxonomy.facets
    scored = [entry for facet in facets for entry in facet.scored_classes]
    sentences = sorted({text for entry in scored for text in (*entry.prompts, *entry.contrast)})
    encoded = np.asarray(encode_texts(sentences), dtype=np.float64)
    if encoded.ndim != 2 or len(encoded) != len(sentences) or not np.isfinite(encoded).all():
        raise ModelError(
            f"The text tower of model {model_key} gave no finite vector for each of {len(sentences)} prompts "
            f"(shape {encoded.shape}); use another model."
        )
    vector_of = dict(zip(sentences, _unit(encoded), strict=True))

    def ensemble(texts: Sequence[str]) -> NDArray[np.float64]:
        return _unit(np.mean([vector_of[text] for text in texts], axis=0))

    directions, scales = [], []
    for facet in facets:
        scale = facet.temperature or logit_scale or DEFAULT_SCALE
        for entry in facet.scored_classes:
            towards = ensemble(entry.prompts)
            directions.append(towards - ensemble(entry.contrast) if entry.contrast else towards)
            scales.append(scale)
    return ZeroShotHead(
        taxonomy,
        model_key,
        head_key(taxonomy, model_key),
        np.ascontiguousarray(np.stack(directions, axis=1), dtype=np.float32),
        np.array(scales, dtype=np.float32),
    )


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not np.all(norms > 0):
        raise ModelError("The prompts of an ensemble average to zero; use other prompts or another model.")
    unit: NDArray[np.float64] = vectors / norms
    return unit
