"""Hits as a table in a terminal."""

from typing import TYPE_CHECKING

from jobs.job.printable import one_line
from jobs.retrieval.hits import Hit, SearchResult
from jobs.steps.search.wording import footing, in_words, nothing_found
from udfs.heads.severity import SEVERITIES

if TYPE_CHECKING:
    from rich.console import Console

SEVERITY_COLOURS = dict(zip(SEVERITIES, ("green", "yellow", "red"), strict=True))
PHOTO_ID_SHOWN = 12
TEXT_SHOWN = 120
NARROWEST = 8
"""A column of words gives way down to this, and is then left out: before an id would be broken."""
GIVING_WAY = ("part", "decision", "reported", "severity", "damage")
"""Columns of words, in the order in which they are left out where the terminal is narrow."""


def render_table(result: SearchResult, console: "Console") -> None:
    """Print the hits as a table, best first. Ids of claims and photos are never broken, however narrow it is."""
    from rich.markup import escape
    from rich.table import Table

    console.print(f"[bold]{escape(in_words(result))}[/]", highlight=False)
    if not result.hits:
        console.print(f"  nothing found: {nothing_found(result)}")
        return
    rows = [_photo_cells(hit) if hit.entity == "photo" else _text_cells(hit) for hit in result.hits]
    headings = _headings(rows, console.width)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        fixed = heading not in (*GIVING_WAY, "text")
        table.add_column(
            heading,
            justify="right" if heading in {"#", "score"} else "left",
            no_wrap=fixed,
            overflow="fold" if heading == "text" else "ellipsis",
        )
    for cells in rows:
        table.add_row(*(_coloured(heading, escape(cells[heading])) for heading in headings))
    least = _least_width(headings, rows)
    if least > console.width:  # rather a line that the terminal wraps than half an id
        table.width = least
    console.print(table, crop=False)
    console.print(f"[dim]{escape(footing(result))}[/]", highlight=False)


def _photo_cells(hit: Hit) -> dict[str, str]:
    return {
        "#": str(hit.rank),
        "score": f"{hit.score:.3f}",
        "claims": _claims(hit),
        "damage": one_line(", ".join(hit.labels)) or "-",
        "severity": one_line(hit.severity or "-"),
        "part": one_line(hit.part or "-"),
        "decision": one_line(hit.decision or "-"),
        "reported": one_line(", ".join(hit.reported_severities)) or "-",
        "photo": one_line(hit.entity_id)[:PHOTO_ID_SHOWN],
    }


def _text_cells(hit: Hit) -> dict[str, str]:
    text = one_line(hit.text or "")
    return {
        "#": str(hit.rank),
        "score": f"{hit.score:.3f}",
        "claims": _claims(hit),
        "reported": one_line(", ".join(hit.reported_severities)) or "-",
        "text": text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1].rstrip() + "\u2026",
    }


def _claims(hit: Hit) -> str:
    """One id a line, so that none has to be broken."""
    more = hit.claims - len(hit.claim_ids)
    return "\n".join([*map(one_line, hit.claim_ids), *([f"and {more} more"] if more > 0 else [])]) or "-"


def _headings(rows: list[dict[str, str]], width: int) -> list[str]:
    kept = list(rows[0])
    for heading in GIVING_WAY:
        if _least_width(kept, rows) <= width:
            break
        if heading in kept:
            kept.remove(heading)
    return kept


def _least_width(headings: list[str], rows: list[dict[str, str]]) -> int:
    """Columns that the table needs at least: ids in full, words cut short."""
    from rich.cells import cell_len

    widths = []
    for heading in headings:
        longest = max(cell_len(line) for cells in rows for line in (heading, *cells[heading].split("\n")))
        widths.append(min(longest, NARROWEST) if heading in (*GIVING_WAY, "text") else longest)
    return sum(widths) + 2 * (len(widths) - 1)


def _coloured(heading: str, cell: str) -> str:
    colour = SEVERITY_COLOURS.get(cell) if heading == "severity" else None
    return f"[{colour}]{cell}[/]" if colour else cell
