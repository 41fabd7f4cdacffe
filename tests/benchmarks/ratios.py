"""The one table that the README keeps: ours against the best of the others, and against the plain loop, as ratios."""

from collections.abc import Mapping
from typing import Any

from tests.benchmarks.overhead import share_over
from tests.benchmarks.results import Row, cells, chosen


def ratio_table(results: Mapping[str, Any]) -> str:
    """Per set and encoder: photos/s by the fastest peer's, CPU seconds by the best peer's, time over the plain loop's.

    Machines differ, and this one from hour to hour: what both sides took in one run is what can be compared.
    """
    rows = [row for values in results["rows"] if not (row := Row(**values)).failed and row.track == 1]
    lines = [
        "| photos, encoder | photos/s, times the fastest peer's | CPU seconds, share of the best peer's "
        "| time over a plain loop with the same kernel |",
        "| --- | ---: | ---: | ---: |",
    ]
    for set_name, encoder in cells(rows):
        here = chosen(rows, set=set_name, encoder=encoder)
        ours = next(iter(chosen(here, engine="claimlens")), None)
        peers = [row for row in here if row is not ours]
        if ours is None or not peers:
            continue
        fastest = max(peers, key=lambda row: row.photos_per_second)
        best = min(peers, key=lambda row: row.cpu_seconds)
        known = results["sets"][f"{set_name}-{encoder}"]
        beside = results.get("overhead", {}).get(f"{set_name}-{encoder}", {})
        over = f"{share_over(beside['passes'], 'seconds'):+.1%}" if "passes" in beside else "-"
        lines.append(
            f"| {known['width']} x {known['height']}, {known['title']} "
            f"| {ours.photos_per_second / fastest.photos_per_second:.2f} ({fastest.title}) "
            f"| {ours.cpu_seconds / best.cpu_seconds:.2f} ({best.title}) | {over} |"
        )
    return "\n".join(lines)
