"""Taxonomies as YAML files: read, and checked with words that say how to mend them."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from udfs.errors import TaxonomyError
from udfs.heads.severity import SEVERITIES
from udfs.heads.taxonomy import (
    CONDITION,
    DEFAULT_THRESHOLD,
    Facet,
    FacetKind,
    ReviewLimits,
    Taxonomy,
    TaxonomyClass,
)

_KINDS: tuple[FacetKind, ...] = ("multi_label", "single_label")
_TAXONOMY_KEYS = ("name", "version", "description", "review", "facets")
_REVIEW_KEYS = ("minimum_confidence", "minimum_margin")
_FACET_KEYS = (
    "name",
    "kind",
    "description",
    "none_class",
    "contrast",
    "threshold",
    "temperature",
    "when",
    "classes",
)
_CLASS_KEYS = ("name", "description", "prompts", "contrast", "threshold")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def shipped_taxonomies() -> list[str]:
    """Names of the taxonomies that ship with claimlens."""
    entries = resources.files("conf").joinpath("taxonomies").iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml"))


def load_taxonomy(name_or_path: str) -> Taxonomy:
    """Read a shipped taxonomy by its name, or any by the path of its YAML file.

    Raises:
        TaxonomyError: one line that names the file, the facet, the class and how to mend it.
    """
    if name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path:
        path = Path(name_or_path)
        if not path.is_file():
            raise TaxonomyError(
                f"{name_or_path}: there is no such file; set classify.taxonomy to a YAML file or to one of "
                f"{', '.join(shipped_taxonomies())}."
            )
        try:
            return parse_taxonomy(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise TaxonomyError(f"{name_or_path}: not readable as UTF-8 text ({error}); correct it.") from None
    shipped = shipped_taxonomies()
    if name_or_path not in shipped:
        raise TaxonomyError(
            f"classify.taxonomy = {name_or_path}: no such taxonomy{_nearest(name_or_path, shipped)}; "
            f"give one of {', '.join(shipped)}, or the path of a .yaml file."
        )
    text = resources.files("conf").joinpath("taxonomies", f"{name_or_path}.yaml").read_text(encoding="utf-8")
    return parse_taxonomy(text, f"conf/taxonomies/{name_or_path}.yaml")


def parse_taxonomy(text: str, source: str) -> Taxonomy:
    """The taxonomy in a YAML text; `source` names it in messages.

    Raises:
        TaxonomyError: see load_taxonomy.
    """
    try:
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise TaxonomyError(f"{source}{line}: {problem}; correct the file.") from None
    top = _Node(values, source, _TAXONOMY_KEYS)
    name = top.name()
    version = top.values.get("version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise top.error(f"version must be a whole number from 1, not {version!r}")
    review = _review(top)
    facets = tuple(_facet(entry, source) for entry in top.entries("facets"))
    top.refuse_repeated("facet", [facet.name for facet in facets])
    labelling = [facet.name for facet in facets if facet.kind == "multi_label"]
    if len(labelling) != 1:
        found = f"found {', '.join(labelling)}" if labelling else "found none"
        raise top.error(f"exactly one facet must have kind: multi_label, it gives the damage labels; {found}")
    return Taxonomy(name, version, facets, review)


def _review(top: "_Node") -> ReviewLimits:
    if "review" not in top.values:
        return ReviewLimits()
    node = _Node(top.values["review"], f"{top.where}, review", _REVIEW_KEYS)
    confidence, margin = (node.number(key, 0.0, 1.0) for key in _REVIEW_KEYS)
    return ReviewLimits(confidence or 0.0, margin or 0.0)


def _facet(values: object, source: str) -> Facet:
    node = _Node(values, f"{source}, facet {_called(values)}", _FACET_KEYS)
    name = node.name()
    values = node.values
    multi = _kind(node) == "multi_label"
    if name in ("severity", "part") and multi:
        raise node.error(f"{name} must have kind: single_label")
    if not multi:
        for key in ("none_class", "contrast", "threshold"):
            if key in values:
                raise node.error(f"{key} belongs to a multi_label facet; remove it here")
    if "when" in values and (multi or values["when"] != CONDITION):
        advice = "the multi_label facet decides it, remove it" if multi else f"the one condition is {CONDITION}"
        raise node.error(f"when: {values['when']!r} is not possible; {advice}")
    temperature = node.number("temperature", 0.0, None)
    if temperature is not None and temperature <= 0:
        raise node.error("temperature must be above 0: it multiplies cosines, like the 100 of CLIP models")
    threshold = _threshold(node)
    contrast = node.texts("contrast")
    raw = node.entries("classes")
    names = [_called(entry) for entry in raw]
    none_class = values.get("none_class")
    if none_class is not None and none_class not in names:
        nearest = _nearest(str(none_class), names)
        raise node.error(f"none_class {none_class!r} is not one of its classes{nearest}")
    fallback = contrast or _none_prompts(raw, none_class)
    default = DEFAULT_THRESHOLD if threshold is None else threshold
    build = _label_class if multi else _choice_class
    classes = tuple(
        build(_Node(entry, f"{node.where}, class {_called(entry)}", _CLASS_KEYS), none_class, fallback, default)
        for entry in raw
    )
    node.refuse_repeated("class", [entry.name for entry in classes])
    if multi and all(entry.name == none_class for entry in classes):
        raise node.error("it has no class besides its none_class; add at least one")
    if not multi and len(classes) < 2:
        raise node.error("a single_label facet needs at least two classes to choose from")
    if name == "severity" and {entry.name for entry in classes} != set(SEVERITIES):
        listed = ", ".join(entry.name for entry in classes)
        raise node.error(f"its classes must be exactly {', '.join(SEVERITIES)}, not {listed}")
    kind: FacetKind = "multi_label" if multi else "single_label"
    return Facet(name, kind, classes, none_class, temperature, conditional="when" in values)


def _kind(node: "_Node") -> FacetKind:
    for kind in _KINDS:
        if node.values.get("kind") == kind:
            return kind
    found = node.values.get("kind")
    raise node.error(f"kind must be multi_label or single_label, not {found!r}{_nearest(str(found), _KINDS)}")


def _none_prompts(raw: Sequence[object], none_class: object) -> tuple[str, ...]:
    """Prompts of the none class, which serve as the contrast where none is written."""
    for entry in raw:
        if isinstance(entry, Mapping) and none_class is not None and entry.get("name") == none_class:
            prompts = entry.get("prompts")
            return tuple(prompts) if isinstance(prompts, list) else ()
    return ()


def _choice_class(node: "_Node", _none_class: object, _fallback: tuple[str, ...], _default: float) -> TaxonomyClass:
    """A class of a single-label facet."""
    name = node.name()
    _refuse_label_keys(node, "it belongs to a multi_label facet")
    return TaxonomyClass(name, _prompts(node))


def _label_class(node: "_Node", none_class: object, fallback: tuple[str, ...], threshold: float) -> TaxonomyClass:
    """A class of the multi-label facet."""
    name = node.name()
    if name == none_class:
        _refuse_label_keys(node, "the none class has no score of its own")
        return TaxonomyClass(name, node.texts("prompts"))
    prompts = _prompts(node)
    contrast = node.texts("contrast") or fallback
    if not contrast:
        raise node.error("contrast is missing; write here or for the facet sentences that say the opposite")
    if set(contrast) == set(prompts):
        raise node.error("contrast and prompts are the same sentences; the contrast must say the opposite")
    own = _threshold(node)
    return TaxonomyClass(name, prompts, contrast, threshold if own is None else own)


def _prompts(node: "_Node") -> tuple[str, ...]:
    prompts = node.texts("prompts")
    if not prompts:
        raise node.error("prompts is missing; write at least one sentence that describes such a photo")
    return prompts


def _refuse_label_keys(node: "_Node", reason: str) -> None:
    for key in ("contrast", "threshold"):
        if key in node.values:
            raise node.error(f"{key} has no meaning here, {reason}; remove it")


def _threshold(node: "_Node") -> float | None:
    threshold = node.number("threshold", 0.0, 1.0)
    if threshold is not None and not 0 < threshold < 1:
        raise node.error(f"threshold must lie between 0 and 1, both excluded, not {threshold:g}")
    return threshold


@dataclass(frozen=True)
class _Node:
    """A mapping of the file, with the words that name it in messages. Unknown keys are refused."""

    found: object
    where: str
    keys: tuple[str, ...]

    def __post_init__(self) -> None:
        for key in self.values:
            if key not in self.keys:
                nearest = _nearest(str(key), self.keys) or f"; valid keys: {', '.join(self.keys)}"
                raise self.error(f"unknown key {key!r}{nearest}")

    @property
    def values(self) -> Mapping[Any, Any]:
        if not isinstance(self.found, Mapping):
            found = "nothing" if self.found is None else type(self.found).__name__
            raise self.error(f"must be a mapping with the keys {', '.join(self.keys)}, not {found}")
        return self.found

    def error(self, problem: str) -> TaxonomyError:
        return TaxonomyError(f"{self.where}: {problem}.")

    def name(self) -> str:
        value = self.values.get("name")
        if value is None:
            raise self.error("name is missing; add one")
        if not isinstance(value, str):
            raise self.error(f"name must be text, not {value!r}; put it in quotes")
        if not _NAME.fullmatch(value):
            raise self.error(f"name {value!r} may hold only letters, digits, _ and -")
        return value

    def number(self, key: str, lowest: float, highest: float | None) -> float | None:
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"{key} must be a number, not {value!r}")
        if not lowest <= value <= (float("inf") if highest is None else highest) or value == float("inf"):
            bounds = f"from {lowest:g}" if highest is None else f"from {lowest:g} to {highest:g}"
            raise self.error(f"{key} must be a number {bounds}, not {value!r}")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not value:
            raise self.error(f"{key} must be a list of sentences, not {value!r}")
        for text in value:
            if not isinstance(text, str) or not text.strip():
                raise self.error(f"{key} must hold sentences only, not {text!r}; put it in quotes")
        self.refuse_repeated(f"{key} sentence", value)
        return tuple(value)

    def entries(self, key: str) -> list[Any]:
        value = self.values.get(key)
        if not isinstance(value, list) or not value:
            raise self.error(f"{key} must be a list with at least one entry")
        return value

    def refuse_repeated(self, what: str, names: Iterable[str]) -> None:
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise self.error(f"{what} {name!r} stands there twice; keep one")
            seen.add(name)


def _called(values: object) -> str:
    return str(values.get("name", "without a name")) if isinstance(values, Mapping) else "without a name"


def _nearest(word: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, where YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                mark = node.value[position][0].start_mark
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands there twice", mark)
        return super().construct_mapping(node, deep=deep)
