"""The metadata file that says which claims show which photos, read as claim records are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.lakehouse.writes import stage
from jobs.steps.ingest.findings import find
from jobs.steps.ingest.records import Source, records
from udfs.errors import InputError
from udfs.records.columns import Wanted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.settings.sections import LinkSettings


def link_source(settings: "LinkSettings") -> Source:
    """Where the metadata is, as the settings say.

    Raises:
        InputError: they do not.
    """
    if not settings.path:
        raise InputError("ingest.links.path is not set; name the metadata file, or set ingest.links.kind.")
    columns = "ingest.links.photo_column or ingest.links.claim_column"
    return Source(settings.path, settings.format, settings.options, "ingest.links", columns)


@contextmanager
def link_records(context: JobContext) -> "Iterator[tuple[DataFrame, dict[str, Any]]]":
    """photo (as written) and claim_id (a key, or null) of each row that could be read, and what there is to say of the
    others. The rows are there until the block is left.

    Raises:
        InputError: there is no such file, or it does not have the columns.
    """
    settings = context.settings.ingest.links
    source = link_source(settings)
    columns = {"photo": settings.photo_column, "claim_id": settings.claim_column}
    wanted = Wanted(columns, keys=("claim_id",), needed=tuple(columns))
    with stage(context.lakehouse, records(context, source, wanted), context.run_id) as wave:
        found = find(context, wave.frame, source, wanted)
        readable = wave.frame.where("number IS NOT NULL AND code IS NULL AND NOT contains(flags, 'claim_id:encoding')")
        yield readable.select("photo", "claim_id"), found.report(wanted)
