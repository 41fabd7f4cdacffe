"""The results as a picture: one row per set and encoder, photos/s against what the cores can do, and CPU seconds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.results import Rates, Row, cells, chosen

OURS, PEER, CEILING, INK, GRID = "#d1495b", "#9db4c0", "#5c6b73", "#253237", "#e3e8ea"


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Draw track 1 into a PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in (Row(**values) for values in results["rows"]) if row.track == 1 and not row.failed]
    places = cells(rows)
    if not places:
        return
    engines = max(len(chosen(rows, set=name, encoder=encoder)) for name, encoder in places)
    pyplot.rcParams.update({"font.size": 9, "text.color": INK, "axes.labelcolor": INK, "ytick.color": INK})
    figure, axes = pyplot.subplots(
        len(places), 2, figsize=(11, 1.0 + len(places) * (0.75 + 0.25 * engines)), squeeze=False, layout="constrained"
    )
    for (set_name, encoder), (left, right) in zip(places, axes, strict=True):
        here = sorted(chosen(rows, set=set_name, encoder=encoder), key=lambda row: row.photos_per_second)
        known = results["sets"][f"{set_name}-{encoder}"]
        rates = Rates(known["rates"]["forward"], known["rates"]["decode"])
        title = f"Set {set_name.upper()}, {known['width']} x {known['height']}, {known['title']}"
        _bars(left, here, [row.photos_per_second for row in here], f"{title}: photos per second")
        left.axvline(rates.cores, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        left.set_xlim(0, 1.12 * max(rates.cores, *(row.photos_per_second for row in here)))
        left.annotate(
            f"the cores, decoding and forward alone: {rates.cores:.0f}/s",
            (rates.cores, -0.42),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7.5,
        )
        _bars(right, here, [row.cpu_seconds for row in here], "CPU seconds per 1,000 photos")
        right.set_yticklabels([])
        right.set_xlim(0, 1.14 * max(row.cpu_seconds for row in here))
    machine = results["machine"]
    figure.suptitle(
        f"Photos to vectors on {machine['cores']} cores of {machine['processor']}: each engine's best documented way, "
        f"medians of {results['run']['passes']}",
        fontsize=11,
        fontweight="bold",
    )
    figure.savefig(path, dpi=130, facecolor="white")
    pyplot.close(figure)


def _bars(axes: Any, rows: Sequence[Row], values: Sequence[float], title: str) -> None:
    colours = [OURS if row.engine == "claimlens" else CEILING if row.engine == "dataloader" else PEER for row in rows]
    bars = axes.barh(range(len(rows)), values, color=colours, height=0.72)
    axes.bar_label(bars, [f"{value:.1f}" for value in values], padding=3, fontsize=8)
    axes.set_yticks(range(len(rows)), [row.title for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.engine == "claimlens" else "normal")
    axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold")
    axes.set_ylim(-0.75, len(rows) - 0.4)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    axes.xaxis.grid(True, color=GRID)
    axes.set_axisbelow(True)
