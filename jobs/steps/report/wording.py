"""The report's plain words: classes, scores, and why a photo needs a person."""

from collections.abc import Collection, Mapping, Sequence

from jobs.steps.report.content import Score


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


def closest_call(
    scores: Mapping[str, float],
    labels: Collection[str],
    margin: float,
    thresholds: Mapping[str, float] | None = None,
) -> str:
    """The decision that was closest, in words: the one whose distance to another decision is the margin.

    `thresholds` are those of the labels (0.5 where not named). A label's distance is |score - threshold| as a share
    of the room on its side; another facet's is the best score less the second, as the classifier counts them.
    """
    limits = thresholds or {}
    chosen = {label.rsplit("/", 1)[-1] for label in labels}
    calls: list[tuple[float, str]] = []
    for facet, values in sorted(scores_by_facet(scores).items()):
        ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
        if chosen & values.keys():
            for name, score in ordered:
                limit = limits.get(name, 0.5)
                distance = (score - limit) / (1 - limit) if score >= limit else (limit - score) / limit
                said = "just counted as" if name in chosen else "just not counted as"
                if name != "none":
                    calls.append((abs(distance - margin), f"{said} {class_name(name)}, at {score:.2f}"))
        elif len(ordered) > 1:
            (first, best), (second, less) = ordered[0], ordered[1]
            words = f"{facet}: {class_name(first)} ({best:.2f}) or {class_name(second)} ({less:.2f})"
            calls.append((abs(best - less - margin), words))
    return min(calls)[1] if calls else ""
