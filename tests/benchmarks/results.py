"""From measured passes to figures, and from figures to the tables of the page. Plain values in, plain values out."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.contract import TRACKS
from tests.benchmarks.drift import LABELS
from tests.benchmarks.overhead import OURS, share_over

STAGES = ("read", "transport", "decode", "resize", "copy", "forward", "rest", "write")


@dataclass(frozen=True)
class Rates:
    """What all cores do at most, photos per second: forward passes alone, decoding and resizing alone."""

    forward: float
    decode: float

    @property
    def minimum(self) -> float:
        """The slower of both: the bound where each has hardware of its own, as with a GPU."""
        return min(self.forward, self.decode)

    @property
    def cores(self) -> float:
        """The bound where the same cores do both, one after the other for each photo."""
        return 1 / (1 / self.forward + 1 / self.decode)


@dataclass(frozen=True)
class Row:
    """The figures of one cell; `failed` says why there are none. Medians over the passes."""

    engine: str
    title: str
    track: int
    set: str
    encoder: str
    photos: int
    passes: int = 0
    photos_per_second: float = 0.0
    cpu_seconds: float = 0.0
    """Per 1,000 photos."""
    peak_memory_mb: float = 0.0
    cold_start_seconds: float = 0.0
    of_forward: float = 0.0
    of_minimum: float = 0.0
    of_cores: float = 0.0
    without_vector: int = 0
    smallest_cosine: float | None = None
    """To claimlens' vectors of the same photos."""
    failed: str | None = None
    refused: bool = False
    """Nothing went wrong: it is not made for this."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def row_of(
    measured: Mapping[str, Any],
    rates: Rates,
    *,
    engine: str,
    title: str,
    track: int,
    set: str,
    encoder: str,
    photos: int,
) -> Row:
    """The figures of a cell out of what its process measured."""
    cell: dict[str, Any] = {
        "engine": engine,
        "title": title,
        "track": track,
        "set": set,
        "encoder": encoder,
        "photos": photos,
    }
    if measured.get("failed"):
        return Row(**cell, failed=str(measured["failed"]), refused=bool(measured.get("refused")))
    speed = statistics.median(photos / one["seconds"] for one in measured["passes"])
    return Row(
        **cell,
        passes=len(measured["passes"]),
        photos_per_second=speed,
        cpu_seconds=1000 * statistics.median(one["cpu_seconds"] for one in measured["passes"]) / photos,
        peak_memory_mb=measured["peak_memory_bytes"] / 1e6,
        cold_start_seconds=measured["cold_start_seconds"],
        of_forward=speed / rates.forward,
        of_minimum=speed / rates.minimum,
        of_cores=speed / rates.cores,
        without_vector=measured["without_vector"],
        smallest_cosine=measured.get("smallest_cosine"),
    )


def chosen(rows: Sequence[Row], **wanted: object) -> list[Row]:
    """The rows whose fields have these values."""
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]


def cells(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """The (set, encoder) pairs, in the order in which they were measured."""
    return list(dict.fromkeys((row.set, row.encoder) for row in rows))


def markdown(results: Mapping[str, Any], plot: str | None = None) -> str:
    """Everything that the page shows of a run."""
    rows = [Row(**row) for row in results["rows"]]
    parts = [_preamble(results)]
    if plot:
        parts.append(f"![Photos per second and CPU seconds of every engine]({plot})")
    for set_name, encoder in cells(rows):
        parts += [_headline(results, set_name, encoder), _table(chosen(rows, set=set_name, encoder=encoder))]
    parts += [_notes(rows), _overhead_table(results), _profile_table(results), _memory_line(results)]
    parts += [_residency_table(results), _drift_table(results), _checks(results)]
    return "\n\n".join(part for part in parts if part)


def _preamble(results: Mapping[str, Any]) -> str:
    machine, run = results["machine"], results["run"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    whole = "in a run that took up an earlier one's cells" if run.get("resumed") else "all in one run"
    again = "".join(
        f"; {part} once more on {one['date']} ({one['processor']})" for part, one in run.get("again", {}).items()
    )
    tracks = "; ".join(f"track {track}: {text}" for track, text in TRACKS.items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']:.0f} GB. Medians of {run['passes']} "
        f"passes after one that does not count, every engine in a process of its own, {whole} ({run['date']}{again}). "
        f"{tracks.capitalize()}. CPU seconds and memory are those of all its processes (memory: PSS). *Of forward*, "
        f"*of min* and *of cores*: photos/s as a share of pure forward passes, of the slower of forward and decoding, "
        f"and of what the cores can do when they do both. {versions}."
    )


def _headline(results: Mapping[str, Any], set_name: str, encoder: str) -> str:
    known = results["sets"][f"{set_name}-{encoder}"]
    rates = Rates(known["rates"]["forward"], known["rates"]["decode"])
    return (
        f"**Set {set_name.upper()}, {known['width']} x {known['height']}, {known['mean_kb']:.0f} kB, "
        f"{known['title']}** ({_photos_a_pass(known['photos'])} a pass, one in a hundred broken or progressive): pure "
        f"forward {rates.forward:.1f}/s ({known['rates']['dtype']}), decoding {rates.decode:.0f}/s, both on the same "
        f"cores {rates.cores:.1f}/s"
    )


def _photos_a_pass(by_track: Mapping[Any, int]) -> str:
    counts = [f"{count:,} photos" for count in by_track.values()]
    return counts[0] if len(set(counts)) == 1 else " and with the same kernel ".join(counts)


def _table(rows: Sequence[Row]) -> str:
    lines = [
        "| engine | photos/s | CPU s per 1,000 | peak MB | cold start s | of forward | of min | of cores "
        "| same kernel: photos/s | CPU s |",
        "| --- " + "| ---: " * 9 + "|",
    ]
    second = {row.engine: row for row in chosen(rows, track=2)}
    for engine in dict.fromkeys(row.engine for row in rows):
        first = next(iter(chosen(rows, track=1, engine=engine)), None)
        title = (first or second[engine]).title
        name = f"**{title}**" if engine == "claimlens" else title
        lines.append(f"| {name} | {_first_track(first)} | {_second_track(second.get(engine))} |")
    return "\n".join(lines)


def _first_track(row: Row | None) -> str:
    if row is None or row.failed:
        return " | ".join([_shortly(row), *["-"] * 6])
    return (
        f"{row.photos_per_second:.1f} | {row.cpu_seconds:.1f} | {row.peak_memory_mb:,.0f} | "
        f"{row.cold_start_seconds:.1f} | {row.of_forward:.2f} | {row.of_minimum:.2f} | {row.of_cores:.2f}"
    )


def _second_track(row: Row | None) -> str:
    if row is None or row.failed:
        return f"{_shortly(row)} | -"
    return f"{row.photos_per_second:.1f} | {row.cpu_seconds:.1f}"


def _shortly(row: Row | None) -> str:
    if row is None:
        return "-"
    return f"{'' if row.refused else 'failed: '}{row.failed}".replace("|", "/")


def _notes(rows: Sequence[Row]) -> str:
    """Where an engine kept a broken photo, or its vectors are others."""
    notes = []
    for row in rows:
        ours = next(iter(chosen(rows, engine="claimlens", track=row.track, set=row.set, encoder=row.encoder)), None)
        if ours and not row.failed and not ours.failed and row.without_vector != ours.without_vector:
            notes.append(f"{row.title} gives broken photos a vector (track {row.track})")
        if row.smallest_cosine is not None and row.smallest_cosine < 0.98:
            notes.append(f"{row.title}'s vectors differ (set {row.set.upper()}: cosine {row.smallest_cosine:.3f})")
    return "; ".join(dict.fromkeys(notes)) + "." if notes else ""


def _overhead_table(results: Mapping[str, Any]) -> str:
    overheads = {key: one for key, one in results.get("overhead", {}).items() if "failed" not in one}
    if not overheads:
        return ""
    lines = [
        "What ours takes over the plain loop with the same kernel, both in one process and in turn, so that the "
        "machine's drift stays out (medians):",
        "",
        "| set, encoder | photos a pass | passes of each | time | CPU seconds |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for key, one in overheads.items():
        shares = " | ".join(f"{share_over(one['passes'], measure):+.1%}" for measure in ("seconds", "cpu_seconds"))
        lines.append(f"| {key.replace('-', ', ')} | {one['photos']:,} | {len(one['passes'][OURS])} | {shares} |")
    return "\n".join(lines)


def _profile_table(results: Mapping[str, Any]) -> str:
    profiles = {key: one for key, one in results.get("profile", {}).items() if "failed" not in one}
    if not profiles:
        return ""
    lines = [
        "Where ours spends its CPU seconds, per 1,000 photos (*rest*: to the model's process and back, and Spark):",
        "",
        "| set, encoder | " + " | ".join(STAGES) + " |",
        "| --- " + "| ---: " * len(STAGES) + "|",
    ]
    for key, profile in profiles.items():
        values = " | ".join(f"{profile['stages'].get(stage, 0.0):.2f}" for stage in STAGES)
        lines.append(f"| {key.replace('-', ', ')} | {values} |")
    return "\n".join(lines)


def _memory_line(results: Mapping[str, Any]) -> str:
    memory = results.get("memory")
    if not memory or "failed" in memory:
        return ""
    return (
        f"Memory of the process that holds the model: {memory['first_mb']:.0f} MB after {memory['first_photos']:,} "
        f"photos, {memory['last_mb']:.0f} MB after {memory['photos']:,} ({memory['mb_per_10000']:+.2f} MB per 10,000)."
    )


def _residency_table(results: Mapping[str, Any]) -> str:
    found = [one for one in results.get("residency", []) if not one.get("failed")]
    if not found:
        return ""
    lines = [
        "| tasks at once | the model in | photos/s | CPU s per 1,000 | memory MB | cold start s |",
        "| ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        place = "one process for all" if one["way"] == "host" else "each Spark worker"
        lines.append(
            f"| {one['tasks']} | {place} | {one['photos_per_second']:.1f} | {one['cpu_seconds']:.1f} | "
            f"{one['peak_memory_mb']:,.0f} | {one['cold_start_seconds']:.1f} |"
        )
    return "\n".join(lines)


def _drift_table(results: Mapping[str, Any]) -> str:
    drifts = {key: one for key, one in results.get("drift", {}).items() if "failed" not in one}
    if not drifts:
        return ""
    lines = [
        "Cosine to the slow way (Pillow in full, the model's own processor, float32), and how often the nearest of "
        f"{LABELS} k-means centres is the same:",
        "",
        "| set, encoder | photos | decoded in full: smallest, mean, same label "
        "| as the product decodes: smallest, mean, same label |",
        "| --- | ---: | ---: | ---: |",
    ]
    for key, one in drifts.items():
        lines.append(
            f"| {key.replace('-', ', ')} | {one['photos']} "
            f"| {one['minimum']:.5f}, {one['mean']:.5f}, {one['agreement']:.1%} "
            f"| {one['scaled_minimum']:.5f}, {one['scaled_mean']:.5f}, {one['scaled_agreement']:.1%} |"
        )
    return "\n".join(lines)


def _checks(results: Mapping[str, Any]) -> str:
    return "\n".join(f"- {check['text']}" for check in results.get("checks", []))


def put_between_markers(path: Path, name: str, text: str) -> None:
    """Replace what stands between <!-- name:begin --> and <!-- name:end --> in a Markdown file.

    Raises:
        ValueError: the file has no such markers, or not in this order.
    """
    first, last = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    content = path.read_text(encoding="utf-8")
    before, begin, rest = content.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{path} has no {first} and {last} to put the table between")
    path.write_text(f"{before}{first}\n{text}\n{last}{after}", encoding="utf-8")
