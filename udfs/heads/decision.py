"""From scores to decisions: one rule for every head, with its confidence, its margin and its closest call."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from udfs.errors import ModelError
from udfs.heads.taxonomy import Facet, Taxonomy

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Decision = Literal["accepted", "review"]


class ClosestCall(NamedTuple):
    """The decision that was closest to another one; how far apart they are is the margin.

    Multi-label: `name` is the class that was just given or just not given, and `other` is None. Single-label:
    `name` is the class that was chosen, `other` the second.
    """

    facet: str
    name: str
    other: str | None = None


@dataclass(frozen=True)
class Predictions:
    """What a head says about n photos.

    scores: float32 (n, classes), its columns named `<facet>/<class>` by score_keys; labels: classes of the
    multi-label facet, highest score first; severity and part: None where not decided; confidence and margin:
    float32 (n,), and closest: None each where the head has no scores to measure them by.
    """

    score_keys: tuple[str, ...]
    scores: Floats
    labels: list[list[str]]
    severity: list[str | None]
    part: list[str | None]
    decision: list[Decision]
    confidence: Floats | None = None
    margin: Floats | None = None
    closest: list[ClosestCall] | None = None


def probabilities(taxonomy: Taxonomy, logits: "ArrayLike") -> Floats:
    """Logits (n, scored classes) to scores of 0 to 1: a sigmoid for each class of the multi-label facet, a softmax
    over the classes of every other."""
    array = np.asarray(logits, dtype=np.float32)
    return np.concatenate(
        [
            _sigmoid(part) if facet.kind == "multi_label" else _softmax(part)
            for facet, part in _columns(taxonomy, array).items()
        ],
        axis=1,
    )


def decide(taxonomy: Taxonomy, scores: "ArrayLike") -> Predictions:
    """Decide every facet of n photos.

    Multi-label: a class is a label where its score reaches its threshold; the none class is the label where no other
    is, with the score 1 - the highest. Single-label: the class of the highest score. A facet with `when: damaged` is
    decided only where the multi-label facet found a label; its scores are kept all the same.

    Confidence is the probability of what was decided. Multi-label: the minimum over classes of the score where the
    label was given and 1 - score where it was not (at a threshold of 0.5 this is max(p, 1 - p)). Single-label: the top
    score. Margin is the distance to another decision. Multi-label: the minimum over classes of |p - threshold| as a
    share of the room on its side: (p - threshold) / (1 - threshold) above, (threshold - p) / threshold below.
    Single-label: top score less the second. A photo's confidence and margin are the minima over its decided facets,
    and the closest call is where that margin is; below one of the taxonomy's review limits it goes to review.

    Args:
        taxonomy: the facets, with their thresholds and review limits.
        scores: (n, scored classes), 0 to 1; the columns run over the facets in order, without the none class.

    Raises:
        ModelError: there is not one score per class, or one of them is not finite.
    """
    array = np.asarray(scores, dtype=np.float32)
    columns = _columns(taxonomy, array)
    if not np.isfinite(array).all():
        raise ModelError("The head gave scores that are not finite; check its weights.")
    label_facet = taxonomy.label_facet
    found = columns[label_facet]
    thresholds = np.array([entry.threshold for entry in label_facet.scored_classes], dtype=np.float32)
    given = found >= thresholds
    damaged: Flags = np.any(given, axis=1)
    confidence = np.where(given, found, 1 - found).min(axis=1)
    gaps = np.where(given, (found - thresholds) / (1 - thresholds), (thresholds - found) / thresholds)
    margin = gaps.min(axis=1)
    names = [entry.name for entry in label_facet.scored_classes]
    calls = [ClosestCall(label_facet.name, name) for name in names]
    closest = [calls[column] for column in gaps.argmin(axis=1).tolist()]
    chosen: dict[str, list[str | None]] = {}
    for facet, values in columns.items():
        if facet.kind == "single_label":
            decided = damaged if facet.conditional else np.ones_like(damaged)
            names = [entry.name for entry in facet.classes]
            order = np.argsort(-values, axis=1, kind="stable")[:, :2]
            top, second = np.take_along_axis(values, order, axis=1).T
            closer = decided & (top - second < margin)
            pairs = {(one, two): ClosestCall(facet.name, names[one], names[two]) for one, two in order[closer].tolist()}
            for row, (one, two) in zip(np.flatnonzero(closer).tolist(), order[closer].tolist(), strict=True):
                closest[row] = pairs[one, two]
            confidence = np.where(decided, np.minimum(confidence, top), confidence)
            margin = np.where(closer, top - second, margin)
            picked = zip(order[:, 0].tolist(), decided.tolist(), strict=True)
            chosen[facet.name] = [names[column] if flag else None for column, flag in picked]
    limits = taxonomy.review
    review = (confidence < limits.minimum_confidence) | (margin < limits.minimum_margin)
    return Predictions(
        score_keys=score_keys(taxonomy),
        scores=_with_none(columns),
        labels=_labels(label_facet, found, given),
        severity=chosen.get("severity", [None] * len(array)),
        part=chosen.get("part", [None] * len(array)),
        decision=["review" if flag else "accepted" for flag in review.tolist()],
        confidence=confidence.astype(np.float32, copy=False),
        margin=margin.astype(np.float32, copy=False),
        closest=closest,
    )


def score_keys(taxonomy: Taxonomy) -> tuple[str, ...]:
    """`<facet>/<class>` of every score that decide gives, in the taxonomy's order."""
    return tuple(f"{facet.name}/{entry.name}" for facet in taxonomy.facets for entry in facet.classes)


def checked_vectors(vectors: "ArrayLike", dimension: int, head_key: str) -> tuple[Floats, Floats]:
    """Vectors (n, dimension) as float32, and their lengths (n, 1): what every head asks of its input.

    Raises:
        ModelError: they have another dimension, or one of them is zero or not finite.
    """
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != dimension:
        raise ModelError(
            f"The head {head_key} reads vectors of length {dimension}, these have the shape {array.shape}; "
            "classify with the model that made them."
        )
    norms: Floats = np.linalg.norm(array, axis=1, keepdims=True)
    usable = np.isfinite(norms[:, 0]) & (norms[:, 0] > 0)
    if not usable.all():
        bad = int(len(array) - usable.sum())
        raise ModelError(f"{bad} of {len(array)} vectors are zero or not finite; take rows with status ok.")
    return array, norms


def _columns(taxonomy: Taxonomy, array: Floats) -> dict[Facet, Floats]:
    """The columns of each facet, in the taxonomy's order."""
    widths = [len(facet.scored_classes) for facet in taxonomy.facets]
    if array.ndim != 2 or array.shape[1] != sum(widths):
        raise ModelError(
            f"The taxonomy {taxonomy.name} has {sum(widths)} classes with a score, the head gave scores of the shape "
            f"{array.shape}; give one column per class."
        )
    return dict(zip(taxonomy.facets, np.split(array, np.cumsum(widths)[:-1], axis=1), strict=True))


def _with_none(columns: dict[Facet, Floats]) -> Floats:
    """All scores side by side in the order of score_keys, the none class among them."""
    parts: list[Floats] = []
    for facet, scores in columns.items():
        if facet.none_class is None:
            parts.append(scores)
        else:
            position = [entry.name for entry in facet.classes].index(facet.none_class)
            parts.append(np.insert(scores, position, 1 - scores.max(axis=1), axis=1))
    return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=np.float32)


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


def _sigmoid(logits: Floats) -> Floats:
    # The hyperbolic tangent saturates, where exp would overflow.
    half = np.float32(0.5)
    scores: Floats = half * (1 + np.tanh(half * logits))
    return scores


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: Floats = powers / powers.sum(axis=1, keepdims=True)
    return scores
