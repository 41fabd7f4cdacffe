"""Zero-shot classification of stored vectors: one matrix product against a taxonomy's prompt ensembles."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from udfs.errors import ModelError
from udfs.heads.taxonomy import Facet, Taxonomy, taxonomy_key

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Decision = Literal["accepted", "review"]

KIND = "zero_shot/1"
"""Kind and version of the formula, part of the head_key: a changed formula never mixes with old rows."""
DEFAULT_SCALE = 100.0
"""Where the model states no scale: the bound to which CLIP clips its learned one (Radford et al. 2021)."""


@dataclass(frozen=True)
class Predictions:
    """What the head says about n photos.

    scores: float32 (n, classes), its columns named `<facet>/<class>` by score_keys; labels: classes of the
    multi-label facet, highest score first; severity and part: None where not decided; confidence and margin:
    float32 (n,).
    """

    score_keys: tuple[str, ...]
    scores: Floats
    labels: list[list[str]]
    severity: list[str | None]
    part: list[str | None]
    confidence: Floats
    margin: Floats
    decision: list[Decision]


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
    def score_keys(self) -> tuple[str, ...]:
        """`<facet>/<class>` of every score, in the taxonomy's order."""
        facets = self.taxonomy.facets
        return tuple(f"{facet.name}/{entry.name}" for facet in facets for entry in facet.classes)

    def predict(self, vectors: "ArrayLike") -> Predictions:
        """Classify vectors (n, dimension); their length does not matter, only their direction.

        With t the scale and cos the cosine to an ensemble:
          multi-label   p = sigmoid(t (cos(v, class) - cos(v, contrast))); a label where p >= its threshold.
                        The none class is the label where no other is, with the score 1 - max p.
          single-label  p = softmax over classes of t cos(v, class); the class of the highest p.
                        A facet with `when: damaged` is decided only where the multi-label facet found
                        a label; its scores are kept all the same.

        Confidence is the probability of what was decided. Multi-label: the minimum over classes of p where
        the label was given and 1 - p where it was not (at a threshold of 0.5 this is max(p, 1 - p)).
        Single-label: the top p. Margin is the distance to another decision. Multi-label: the minimum over
        classes of |p - threshold| as a share of the room on its side: (p - threshold) / (1 - threshold)
        above, (threshold - p) / threshold below. Single-label: top p less the second. A photo's confidence
        and margin are the minima over its decided facets; below one of the taxonomy's review limits it goes
        to review.

        Raises:
            ModelError: the vectors have another dimension, or one of them is zero or not finite.
        """
        array = np.asarray(vectors, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != self.dimension:
            raise ModelError(
                f"The head {self.head_key} reads vectors of length {self.dimension}, these have the shape "
                f"{array.shape}; classify with the model that made them."
            )
        norms = np.linalg.norm(array, axis=1, keepdims=True)
        usable = np.isfinite(norms[:, 0]) & (norms[:, 0] > 0)
        if not usable.all():
            bad = int(len(array) - usable.sum())
            raise ModelError(f"{bad} of {len(array)} vectors are zero or not finite; take rows with status ok.")
        logits = (array @ self.directions) / norms * self.scales
        return self._decide(logits)

    def _decide(self, logits: Floats) -> Predictions:
        rows = len(logits)
        label_facet = self.taxonomy.label_facet
        columns: dict[str, Floats] = {}
        start = 0
        for facet in self.taxonomy.facets:
            stop = start + len(facet.scored_classes)
            part = logits[:, start:stop]
            columns[facet.name] = _sigmoid(part) if facet.kind == "multi_label" else _softmax(part)
            start = stop

        scores = columns[label_facet.name]
        thresholds = np.array([entry.threshold for entry in label_facet.scored_classes], dtype=np.float32)
        given = scores >= thresholds
        damaged: Flags = np.any(given, axis=1)
        confidence = np.where(given, scores, 1 - scores).min(axis=1)
        above, below = (scores - thresholds) / (1 - thresholds), (thresholds - scores) / thresholds
        margin = np.where(given, above, below).min(axis=1)
        chosen: dict[str, list[str | None]] = {}
        for facet in self.taxonomy.facets:
            if facet.kind == "single_label":
                decided = damaged if facet.conditional else np.ones_like(damaged)
                top, gap, names = _choose(facet, columns[facet.name], decided)
                confidence = np.where(decided, np.minimum(confidence, top), confidence)
                margin = np.where(decided, np.minimum(margin, gap), margin)
                chosen[facet.name] = names

        limits = self.taxonomy.review
        review = (confidence < limits.minimum_confidence) | (margin < limits.minimum_margin)
        return Predictions(
            score_keys=self.score_keys,
            scores=self._with_none(columns),
            labels=_labels(label_facet, scores, given),
            severity=chosen.get("severity", [None] * rows),
            part=chosen.get("part", [None] * rows),
            confidence=confidence.astype(np.float32, copy=False),
            margin=margin.astype(np.float32, copy=False),
            decision=["review" if flag else "accepted" for flag in review.tolist()],
        )

    def _with_none(self, columns: dict[str, Floats]) -> Floats:
        """All scores side by side in the order of score_keys, the none class among them."""
        parts: list[Floats] = []
        for facet in self.taxonomy.facets:
            scores = columns[facet.name]
            if facet.none_class is not None:
                position = [entry.name for entry in facet.classes].index(facet.none_class)
                scores = np.insert(scores, position, 1 - scores.max(axis=1), axis=1)
            parts.append(scores)
        return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=np.float32)


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


def _sigmoid(logits: Floats) -> Floats:
    # The hyperbolic tangent saturates, where exp would overflow.
    half = np.float32(0.5)
    probabilities: Floats = half * (1 + np.tanh(half * logits))
    return probabilities


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _choose(facet: Facet, scores: Floats, decided: Flags) -> tuple[Floats, Floats, list[str | None]]:
    """Top score, its lead over the second, and the class's name or None, per row."""
    best = scores.argmax(axis=1)
    ordered = np.partition(scores, -2, axis=1)
    top, second = ordered[:, -1], ordered[:, -2]
    names = [entry.name for entry in facet.classes]
    rows = zip(best.tolist(), decided.tolist(), strict=True)
    chosen = [names[column] if flag else None for column, flag in rows]
    return top, top - second, chosen


def _labels(facet: Facet, scores: Floats, given: Flags) -> list[list[str]]:
    """Names of the given classes per row, highest score first; the none class where there is none."""
    names = [entry.name for entry in facet.scored_classes]
    nothing = [facet.none_class] if facet.none_class is not None else []
    ranked = np.argsort(-np.where(given, scores, -1), axis=1, kind="stable").tolist()
    counts = given.sum(axis=1).tolist()
    return [
        [names[column] for column in order[:count]] if count else list(nothing)
        for order, count in zip(ranked, counts, strict=True)
    ]
