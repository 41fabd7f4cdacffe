"""A few sanitised photos out of the table, by their ids and without Spark."""

from collections.abc import Mapping, Sequence

from jobs.lakehouse.places import address
from jobs.settings.sections import TableSettings
from udfs.errors import InputError, first_line

TABLE = "photos"


def read_photos(settings: TableSettings, photo_ids: Sequence[str]) -> Mapping[str, bytes]:
    """The sanitised JPEGs of these photos; an id that the table does not have, or that failed, is left out.

    Reads the table as it is now, by delta-rs. Only the files, and in them the pages, whose statistics say that they
    may hold one of the ids are read.

    Raises:
        InputError: the tables are in a catalog, which only Spark can open, or there is no table of photos, or it
            cannot be read from here.
    """
    if not photo_ids:
        return {}
    if settings.catalog is not None:
        raise InputError(
            f"the photos are in the catalog {settings.catalog}, which is read by Spark alone; "
            "pictures need tables under tables.root"
        )
    import pyarrow as pa
    from deltalake import DeltaTable, QueryBuilder

    place = address(f"{settings.root}/{TABLE}")
    # Ids are hexadecimal; whatever else comes in is in no table, and is not pasted into a query.
    known = sorted({photo_id for photo_id in photo_ids if photo_id.isalnum() and photo_id.isascii()})
    if not known:
        return {}
    listed = ", ".join(f"'{photo_id}'" for photo_id in known)
    # A condition on jpeg would have whole files read for it: 300 MB for ten photos of 20,000, instead of 65.
    query = f"SELECT photo_id, jpeg FROM photos WHERE photo_id IN ({listed})"
    try:
        builder = QueryBuilder().register("photos", DeltaTable(place))
        rows = pa.table(builder.execute(query).read_all()).to_pylist()
    except Exception as error:  # delta-rs raises types of its own, and of the object store's
        raise InputError(f"the photos at {place} cannot be read without Spark ({first_line(error)})") from error
    return {row["photo_id"]: row["jpeg"] for row in rows if row["jpeg"] is not None}
