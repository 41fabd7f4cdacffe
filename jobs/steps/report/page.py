"""The report's content as one HTML page that needs nothing else: no network, no second file."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any

from jobs.job.printable import printable, printable_value
from jobs.steps.report.content import SECTIONS, Content, MapPoint, PhotoCard
from jobs.steps.report.figures import TILE, class_styles, photo_sheet
from udfs.heads.severity import SEVERITIES

MAP_WIDTH = 960
MAP_HEIGHT = 640


@dataclass(frozen=True)
class LegendEntry:
    """A class on the map: its look and its points."""

    name: str
    colour: str
    shape: str
    points: tuple[tuple[int, float, float], ...]


def render_page(content: Content) -> str:
    """The page. All text is escaped; a policy in the page forbids every request and every foreign script."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        finalize=printable_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=lambda value: f"{value:,}",
        percent=_percent,
        short=lambda text: str(text)[:10],
        time=_time,
        duration=_duration,
    )
    script = _template("report.js")
    legend = map_legend(content)
    styles = class_styles([group.name for group in content.classes])
    return environment.get_template("report.html.j2").render(
        content=content,
        sections=SECTIONS,
        counts=section_counts(content),
        images={photo_id: data_uri(jpeg) for photo_id, jpeg in content.thumbnails.items()},
        alternative=alternative_text,
        styles=styles,
        severities=SEVERITIES,
        largest_class=max((group.photos for group in content.classes), default=1),
        legend=legend,
        map_width=MAP_WIDTH,
        map_height=MAP_HEIGHT,
        map_data=_map_data(content),
        style=_template("report.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
    )


def section_counts(content: Content) -> dict[str, int | None]:
    """The number beside each section in the contents; None where there is nothing to count."""
    totals = content.totals
    counted: dict[str, int | None] = {
        "processed": None,
        "failures": sum(group.count for group in content.failures),
        "classes": totals.classes,
        "review": totals.review_queue,
        "mismatches": totals.mismatched_claims,
        "duplicates": totals.duplicate_groups,
        "map": len(content.photo_map.points) if content.photo_map else 0,
    }
    return {name: None if name in content.missing else value for name, value in counted.items()}


def alternative_text(card: PhotoCard) -> str:
    """What the photo shows, for those who do not see it."""
    seen = ", ".join(card.labels) or "not classified"
    return f"Photo {card.photo_id[:10]}: {seen}{f', {card.severity}' if card.severity else ''}"


def data_uri(jpeg: bytes) -> str:
    """A JPEG as an address that holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def map_legend(content: Content) -> list[LegendEntry]:
    """The map's classes with their points in pixels, in the order and the colours of the class section."""
    if content.photo_map is None:
        return []
    members: dict[str, list[tuple[int, MapPoint]]] = {}
    for place, point in enumerate(content.photo_map.points):
        members.setdefault(point.label, []).append((place, point))
    known = [group.name for group in content.classes if group.name in members]
    others = sorted((name for name in members if name not in known), key=lambda name: (-len(members[name]), name))
    styles = class_styles([group.name for group in content.classes] + others)
    return [
        LegendEntry(
            name,
            *styles[name],
            tuple(
                (place, round(point.x * MAP_WIDTH, 1), round(point.y * MAP_HEIGHT, 1)) for place, point in members[name]
            ),
        )
        for name in known + others
    ]


def _map_data(content: Content) -> dict[str, Any]:
    """What the map's hover needs: the sheet of photos, and per point its words and its place on the sheet."""
    if content.photo_map is None:
        return {}
    points = content.photo_map.points
    sheet, columns, places = photo_sheet(content.tiles, [point.photo_id for point in points])
    return {
        "sheet": data_uri(sheet) if sheet else "",
        "columns": columns,
        "tile": TILE,
        "points": [
            [
                printable(point.label),
                printable(point.severity or ""),
                printable(point.claim_id or ""),
                point.photo_id[:10],
                places.get(point.photo_id, -1),
            ]
            for point in points
        ],
    }


def _template(name: str) -> str:
    return resources.files("conf").joinpath("templates", name).read_text(encoding="utf-8")


def _percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _time(moment: datetime) -> str:
    return f"{moment:%d %B %Y, %H:%M} UTC"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
