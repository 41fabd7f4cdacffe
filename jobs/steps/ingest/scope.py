"""Which of the files that the tables know the settings cover: those that a listing would show if they were there."""

import os
from typing import TYPE_CHECKING

from jobs.lakehouse.places import located
from jobs.steps.ingest.paths import SCHEME, has_glob, without_scheme
from udfs.functions.file_names import java_name_pattern, place_pattern

if TYPE_CHECKING:
    from pyspark.sql import Column

    from jobs.settings.sections import IngestSettings


def covered(settings: "IngestSettings", column: str = "path") -> "Column":
    """Whether a path lies at ingest.photos and its name fits ingest.glob; any path where ingest.photos is not set."""
    from pyspark.sql import functions as F

    path = F.regexp_replace(column, SCHEME, "")
    if not settings.photos:
        return F.lit(True)
    place = without_scheme(located(settings.photos)).rstrip("/")
    if has_glob(place) and not os.path.lexists(place):
        below = "(?:/.*)?" if settings.recursive else "(?:/[^/]*)?"
        at_place = path.rlike(f"^(?:{place_pattern(place)}){below}$")
    else:
        inside = path.startswith(f"{place}/")
        if not settings.recursive:
            inside &= ~F.substring(path, F.lit(len(place) + 2), F.lit(1 << 20)).contains("/")
        at_place = (path == place) | inside
    if settings.glob == "*":
        return at_place
    return at_place & F.substring_index(column, "/", -1).rlike(java_name_pattern(settings.glob))
