"""The page's photos, made small where the photos are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobs.lakehouse.snapshot import Snapshot
from jobs.steps.report.figures import TILE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

THUMBNAIL_SIDE = 300
THUMBNAIL_BYTES = 16_000
"""Largest thumbnail, in bytes: with the bounded number of photos it bounds the page."""


def thumbnails_of(snapshot: Snapshot, photo_ids: Sequence[str]) -> dict[str, bytes]:
    """Small JPEGs of these photos by id; a photo that does not decode is left out."""
    from udfs.functions.thumbnails import thumbnail_batches

    chosen = _photos(snapshot, photo_ids)
    small = chosen.mapInArrow(thumbnail_batches("jpeg", THUMBNAIL_SIDE, THUMBNAIL_BYTES), chosen.schema)
    return _collected(small) if photo_ids else {}


def tiles_of(snapshot: Snapshot, photo_ids: Sequence[str]) -> dict[str, bytes]:
    """The same with square pieces from the middle, for the map."""
    from udfs.functions.thumbnails import tile_batches

    chosen = _photos(snapshot, photo_ids)
    return _collected(chosen.mapInArrow(tile_batches("jpeg", TILE), chosen.schema)) if photo_ids else {}


def _photos(snapshot: Snapshot, photo_ids: Sequence[str]) -> "DataFrame":
    photos = snapshot.read("photos").where("jpeg IS NOT NULL").select("photo_id", "jpeg")
    return photos.join(snapshot.ids(sorted(set(photo_ids))), "photo_id", "left_semi")


def _collected(small: "DataFrame") -> dict[str, bytes]:
    return {row["photo_id"]: bytes(row["jpeg"]) for row in small.where("jpeg IS NOT NULL").collect()}
