"""The report's plain words: what an error code means, and why a photo needs a person."""

from collections.abc import Collection, Mapping, Sequence

from jobs.steps.report.content import Score
from udfs.outcome import ErrorCode

EXPLANATIONS: Mapping[str, tuple[str, str]] = {
    ErrorCode.EMPTY: (
        "The file holds no bytes at all.",
        "The upload was interrupted: ask for the photo again.",
    ),
    ErrorCode.NOT_AN_IMAGE: (
        "The contents are not a picture, whatever the file's name says.",
        "Often a document or a web page saved under a photo's name: file it elsewhere.",
    ),
    ErrorCode.UNSUPPORTED_FORMAT: (
        "A picture, but of a format that cannot be decoded here.",
        "Convert it to JPEG or PNG, or install the plug-in for its format, and ingest again.",
    ),
    ErrorCode.TRUNCATED: (
        "The file ends before the picture does.",
        "The upload was cut off: ask for the photo again.",
    ),
    ErrorCode.CORRUPT: (
        "The format is known, but the contents do not decode.",
        "The file was damaged in storage or transfer: fetch it again from its source.",
    ),
    ErrorCode.TOO_MANY_BYTES: (
        "The file is larger than the settings allow.",
        "Raise ingest.maximum_bytes if such files are expected.",
    ),
    ErrorCode.TOO_MANY_PIXELS: (
        "Decoding the picture would take more pixels than the settings allow.",
        "Raise ingest.maximum_pixels if such pictures are expected; otherwise suspect a decompression bomb.",
    ),
    ErrorCode.UNREADABLE: (
        "The file was listed, but its bytes could not be read.",
        "Check that it still exists and that the job may read it, and ingest again.",
    ),
    ErrorCode.OUT_OF_MEMORY: (
        "The photo did not fit into the device's memory, even alone.",
        "Free the device's memory or use a larger device, and embed again.",
    ),
    ErrorCode.MODEL_FAILED: (
        "The model gave no usable vector for this input.",
        "Look at the photo; if it is sound, report it with the model's name.",
    ),
}
"""Code -> what happened, and what to do about it."""


def explain(code: str) -> tuple[str, str]:
    """What a code means and how to mend it; a code of a newer version is named as such."""
    return EXPLANATIONS.get(code, (f"Code {code} is not known to this version of claimlens.", "See error_detail."))


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
