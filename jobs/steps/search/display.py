"""Hits as a table in a terminal and as a page with their photos."""

import base64
from importlib import resources
from typing import TYPE_CHECKING

from jobs.retrieval.question import Query, SearchReport, SearchResult
from udfs.heads.severity import SEVERITIES

if TYPE_CHECKING:
    from rich.console import Console

SEVERITY_COLOURS = dict(zip(SEVERITIES, ("green", "yellow", "red"), strict=True))


def render_table(result: SearchResult | SearchReport, console: "Console") -> None:
    """Print the hits as a table, best first."""
    from rich.markup import escape
    from rich.table import Table

    found = result_of(result)
    console.print(f"[bold]{escape(in_words(found.query))}[/]", highlight=False)
    if not found.hits:
        console.print("  nothing found: no photo passes these filters")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("#", justify="right")
    table.add_column("score", justify="right")
    photos = found.query.entity == "photo"
    of_photos = ("claims", "damage", "severity", "part", "decision", "reported", "photo")
    headings = of_photos if photos else ("claim", "reported", "narrative")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for hit in found.hits:
        more = hit.claims - len(hit.claim_ids)
        claims = escape(", ".join(hit.claim_ids) + (f" and {more} more" if more else "")) or "-"
        reported = escape(", ".join(hit.reported_severities)) or "-"
        if photos:
            colour = SEVERITY_COLOURS.get(hit.severity or "", "default")
            cells = [
                claims,
                escape(", ".join(hit.labels)) or "-",
                f"[{colour}]{escape(hit.severity or '-')}[/]",
                escape(hit.part or "-"),
                escape(hit.decision or "-"),
                reported,
                hit.photo_id[:12],
            ]
        else:
            cells = [claims, reported, escape(_shortened(hit.narrative or "", 120))]
        table.add_row(str(hit.rank), f"{hit.score:.3f}", *cells)
    console.print(table)
    console.print(f"[dim]{escape(footing(found))}[/]", highlight=False)


def render_page(result: SearchResult | SearchReport) -> str:
    """The hits as one HTML page that needs nothing beside it: photos are embedded, every value is escaped."""
    from jinja2 import Environment, StrictUndefined

    found = result_of(result)
    template = resources.files("conf").joinpath("templates/search.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["picture"] = _picture
    return environment.from_string(template).render(
        result=found,
        query=found.query,
        title=in_words(found.query),
        footing=footing(found),
    )


def result_of(result: SearchResult | SearchReport) -> SearchResult:
    """The result itself, also out of a report."""
    if isinstance(result, SearchReport):
        if result.result is None:
            raise ValueError("this report carries no search result")
        return result.result
    return result


def in_words(query: Query) -> str:
    """The question as a person would put it."""
    what = "Photos" if query.entity == "photo" else "Narratives"
    parts = []
    if query.claim_id:
        own = "those" if query.entity == "photo" else "that"
        parts.append(f"like {own} of claim {query.claim_id}")
    if query.photo:
        parts.append(f"like {query.photo.name}")
    if query.sentence:
        parts.append(f"of \u201c{query.sentence.strip()}\u201d")
    text = f"{what} {' and '.join(parts)}"
    return f"{text}, where {' and '.join(query.where)}" if query.where else text


def footing(result: SearchResult) -> str:
    """Where the hits come from."""
    among = "" if result.candidates is None else f", {result.candidates:,} of them on claims that pass the filters"
    seconds = sum(result.seconds.values())
    hits = f"{len(result.hits)} hit{'' if len(result.hits) == 1 else 's'}"
    return f"{hits} among {result.rows:,} indexed vectors{among}; model {result.model_key}; {seconds:.2f} s"


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "\u2026"


def _picture(content: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
