"""Hits as a page with their photos."""

import base64
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from jobs.job.printable import printable_value
from jobs.retrieval.hits import SearchResult
from jobs.steps.search.wording import footing, in_words, nothing_found
from udfs.errors import InputError


def render_page(result: SearchResult, pictures: Mapping[str, bytes], remark: str | None = None) -> str:
    """The hits as one HTML page that needs nothing beside it: photos are embedded, every value is escaped.

    Args:
        result: the hits.
        pictures: small JPEGs by photo_id, of the hits and of what was asked with; hits without one say so.
        remark: shown below the question, for example why there are no pictures.
    """
    from jinja2 import Environment, StrictUndefined

    template = resources.files("conf").joinpath("templates/search.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=printable_value
    )
    environment.filters["picture"] = _picture
    return environment.from_string(template).render(
        result=result,
        query=result.query,
        title=in_words(result),
        footing=footing(result),
        nothing_found=nothing_found(result),
        pictures=pictures,
        asked_with=_asked_with(result, pictures),
        remark=remark,
    )


def write_page(path: Path, page: str) -> None:
    """Write the page, its directory included.

    Raises:
        InputError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--html {path}: cannot be written ({error.strerror}).") from None


def _asked_with(result: SearchResult, pictures: Mapping[str, bytes]) -> list[bytes]:
    if result.asked_photo is not None:
        from udfs.images.thumbnail import thumbnail

        return [thumbnail(result.asked_photo) or result.asked_photo]
    return [pictures[photo_id] for photo_id in result.asked_ids if photo_id in pictures]


def _picture(content: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
