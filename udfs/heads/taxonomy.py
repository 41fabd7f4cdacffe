"""Taxonomies: what a photo can show, in facets and classes; what identifies one, and what it says."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

CONDITION = "damaged"
"""The one condition of a facet: decide it only where the multi-label facet found something."""
DEFAULT_THRESHOLD = 0.5

FacetKind = Literal["multi_label", "single_label"]


@dataclass(frozen=True)
class TaxonomyClass:
    """One class. `contrast` and `threshold` stand as resolved: the class's own, else its facet's.

    Prompts are what a zero-shot head goes by; a fitted head needs none.
    """

    name: str
    prompts: tuple[str, ...] = ()
    contrast: tuple[str, ...] = ()
    threshold: float = DEFAULT_THRESHOLD


@dataclass(frozen=True)
class Facet:
    """One question about a photo: any number of classes (multi_label), or exactly one (single_label).

    `temperature` multiplies cosines in place of the model's own scale; None takes the model's.
    `conditional` facets are decided only where the multi-label facet found something.
    """

    name: str
    kind: FacetKind
    classes: tuple[TaxonomyClass, ...]
    none_class: str | None = None
    temperature: float | None = None
    conditional: bool = False

    @property
    def scored_classes(self) -> tuple[TaxonomyClass, ...]:
        """The classes that have a score of their own: all but the none class."""
        return tuple(entry for entry in self.classes if entry.name != self.none_class)


@dataclass(frozen=True)
class ReviewLimits:
    """Below one of these, a prediction goes to a person. Both 0 to 1."""

    minimum_confidence: float = 0.0
    minimum_margin: float = 0.0


@dataclass(frozen=True)
class Taxonomy:
    """What a photo can show. Exactly one facet is multi_label: it gives the labels, and what is damaged."""

    name: str
    version: int
    facets: tuple[Facet, ...]
    review: ReviewLimits = ReviewLimits()

    @property
    def label_facet(self) -> Facet:
        """The multi-label facet."""
        return next(facet for facet in self.facets if facet.kind == "multi_label")

    def facet(self, name: str) -> Facet | None:
        """The facet of that name, if there is one."""
        return next((facet for facet in self.facets if facet.name == name), None)

    @property
    def none_class(self) -> str | None:
        """The label that says that nothing was found."""
        return self.label_facet.none_class


def taxonomy_key(taxonomy: Taxonomy) -> str:
    """Hash (16 hex digits) of what decides predictions: facets, classes, prompts, thresholds, review limits.

    The taxonomy's name and version, descriptions, comments, and the order of keys, classes and prompts do not
    count.
    """
    content = {
        "review": [taxonomy.review.minimum_confidence, taxonomy.review.minimum_margin],
        "facets": {
            facet.name: {
                "kind": facet.kind,
                "none_class": facet.none_class,
                "temperature": facet.temperature,
                "conditional": facet.conditional,
                "classes": {
                    entry.name: [sorted(entry.prompts), sorted(entry.contrast), entry.threshold]
                    for entry in facet.scored_classes
                },
            }
            for facet in taxonomy.facets
        },
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def taxonomy_content(taxonomy: Taxonomy) -> dict[str, Any]:
    """The whole taxonomy as plain data, for JSON: what a head_key of years ago could find."""
    return asdict(taxonomy)
