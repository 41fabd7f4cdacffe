"""Photos as cards, for several sections: labels, scores, and in plain words why a person should look."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jobs.steps.report.content import PhotoCard, Score
from udfs.heads.decision import ClosestCall

if TYPE_CHECKING:
    from pyspark.sql import Row


def class_name(key: str) -> str:
    """`damage/glass_shatter` or `glass_shatter` as people write it: glass shatter."""
    return key.rsplit("/", 1)[-1].replace("_", " ")


def scores_by_facet(scores: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Scores keyed <facet>/<class>, as facet -> class -> score."""
    facets: dict[str, dict[str, float]] = {}
    for key, value in scores.items():
        facet, _, name = key.rpartition("/")
        facets.setdefault(facet, {})[name] = float(value)
    return facets


def damage_scores(scores: Mapping[str, float], labels: Sequence[str], most: int = 3) -> tuple[Score, ...]:
    """The scores of the facet that the labels come from: labels and the best of the rest, highest first."""
    facets = scores_by_facet(scores)
    chosen = {label.rsplit("/", 1)[-1] for label in labels}
    facet = next((values for values in facets.values() if chosen & values.keys()), None)
    if facet is None:
        facet = facets.get("damage") or next(iter(facets.values()), {})
    ordered = sorted(facet.items(), key=lambda item: (item[0] not in chosen, -item[1], item[0]))[:most]
    ordered.sort(key=lambda item: -item[1])
    return tuple(Score(class_name(name), value, name in chosen) for name, value in ordered)


def closest_words(call: ClosestCall, scores: Mapping[str, float], labels: Sequence[str]) -> str:
    """The decision that was closest, in words. Its distance is the margin."""
    score = scores.get(f"{call.facet}/{call.name}", 0.0)
    if call.other is None:
        said = "just counted as" if call.name in labels else "just not counted as"
        return f"{said} {class_name(call.name)}, at {score:.2f}"
    second = scores.get(f"{call.facet}/{call.other}", 0.0)
    return f"{call.facet}: {class_name(call.name)} ({score:.2f}) or {class_name(call.other)} ({second:.2f})"


def photo_card(row: "Row", claim_ids: Sequence[str] | None = (), *, with_reason: bool = False) -> PhotoCard:
    """A row of predictions as a card; with the reason, it says which decision was closest."""
    scores = dict(row["scores"])
    call = row["closest"] if with_reason else None
    return PhotoCard(
        row["photo_id"],
        tuple(claim_ids or ()),
        tuple(class_name(label) for label in row["labels"]),
        row["severity"],
        class_name(row["part"]) if row["part"] else None,
        damage_scores(scores, row["labels"]),
        row["confidence"],
        row["margin"],
        row["decision"],
        closest_words(ClosestCall(*call), scores, row["labels"]) if call else "",
    )
