"""The small pictures on the page of hits."""

from collections.abc import Mapping

from jobs.retrieval.hits import SearchResult
from jobs.settings.sections import TableSettings
from udfs.errors import InputError

ASKED_SHOWN = 4


def pictures_of(result: SearchResult, settings: TableSettings) -> tuple[Mapping[str, bytes], str | None]:
    """Small JPEGs by photo_id, of the hits and of the photos that were asked with; and why there are none, or None."""
    from jobs.lakehouse.photo_reader import read_photos
    from udfs.images.thumbnail import thumbnail

    shown = [hit.entity_id for hit in result.hits if hit.entity == "photo"]
    try:
        photos = read_photos(settings, [*shown, *result.asked_ids[:ASKED_SHOWN]])
    except InputError as error:
        return {}, f"No pictures: {error}."
    small = {photo_id: thumbnail(jpeg) for photo_id, jpeg in photos.items()}
    return {photo_id: picture for photo_id, picture in small.items() if picture is not None}, None
