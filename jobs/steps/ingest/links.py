"""Which claims show which photos: from a metadata file, or from the photo's path."""

from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CLAIM_PHOTOS
from jobs.lakehouse.writes import append_once, stage
from jobs.steps.ingest.paths import java_pattern, nearest, plain_name
from jobs.steps.ingest.records import column_names, find_column, read_records
from udfs.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def link_photos(context: JobContext) -> dict[str, Any]:
    """Append the links that are not there yet; says how many, and what has no partner."""
    from pyspark.sql import functions as F

    lakehouse, kind = context.lakehouse, context.settings.ingest.links.kind
    lakehouse.ensure(CLAIM_PHOTOS.name)
    details: dict[str, Any] = {"written": 0}
    if kind != "none":
        found, notes = _by_metadata(context) if kind == "metadata" else (_by_pattern(context), {})
        details |= notes
        key = list(CLAIM_PHOTOS.key)
        new = found.groupBy(*key).agg(F.min("path").alias("source_path"))
        new = new.join(lakehouse.read(CLAIM_PHOTOS.name), key, "left_anti")
        new = new.withColumns({"first_seen": F.lit(context.clock()), "run_id": F.lit(context.run_id)})
        with stage(lakehouse, new, context.run_id) as wave:
            if wave.rows:
                details["written"] = append_once(lakehouse, wave.frame, CLAIM_PHOTOS.name)
    return details | _partners(context)


def _newest_files(context: JobContext) -> "DataFrame":
    """Each path with the photo that it held last."""
    from pyspark.sql import functions as F

    newest = F.max_by("photo_id", F.struct("modification_time", "first_seen", "length"))
    return context.lakehouse.read("photo_files").groupBy("path").agg(newest.alias("photo_id"))


def _by_pattern(context: JobContext) -> "DataFrame":
    from pyspark.sql import functions as F

    pattern, group = java_pattern(context.settings.ingest.links.pattern, "claim_id")
    claim = F.trim(F.regexp_extract("path", pattern, group))
    return _newest_files(context).select("path", "photo_id", claim.alias("claim_id")).where(F.length("claim_id") > 0)


def _by_metadata(context: JobContext) -> "tuple[DataFrame, dict[str, Any]]":
    """Photos by relative path where the metadata gives one, else by name; a name of several photos links none."""
    from pyspark.sql import functions as F

    settings = context.settings.ingest.links
    if not settings.path:
        raise InputError("ingest.links.path is not set; name the metadata file, or set ingest.links.kind.")
    rows = read_records(context.spark, settings.path, settings.format, "ingest.links.path", options={})
    photo, claim = (_required(rows, key, getattr(settings, key)) for key in ("photo_column", "claim_column"))
    named = rows.select(plain_name(photo.cast("string")).alias("name"), F.trim(claim.cast("string")).alias("claim_id"))
    given = (F.length("name") > 0) & (F.length("claim_id") > 0)
    pairs = named.where(given).distinct()
    names = pairs.select("name").distinct().withColumn("base", F.substring_index("name", "/", -1))
    files = _newest_files(context).withColumn("base", F.substring_index("path", "/", -1))
    fits = F.concat(F.lit("/"), F.col("path")).endswith(F.concat(F.lit("/"), F.col("name")))
    matched = names.join(files, "base").where(fits).select("name", "path", "photo_id")
    photos = matched.groupBy("name").agg(
        F.min("path").alias("path"), F.min("photo_id").alias("photo_id"), F.countDistinct("photo_id").alias("photos")
    )
    counted = names.join(photos, "name", "left").agg(
        F.count_if(F.col("photos").isNull()).alias("names_without_file"),
        F.count_if(F.col("photos") > 1).alias("ambiguous_names"),
    )
    notes = counted.collect()[0].asDict()
    notes["rows_without_key"] = named.where(~F.coalesce(given, F.lit(False))).count()
    return pairs.join(photos.where("photos = 1"), "name").select("path", "photo_id", "claim_id"), notes


def _required(rows: "DataFrame", key: str, name: str) -> "Column":
    found = find_column(rows, name)
    if found is None:
        raise InputError(
            f"ingest.links.path has no column {name}; nearest are {nearest(name, column_names(rows))}. "
            f"Correct ingest.links.{key}."
        )
    return found[0]


def _partners(context: JobContext) -> dict[str, int]:
    """How many photos, claims and links have nothing to go with; counted in one pass."""
    from pyspark.sql import functions as F

    lakehouse = context.lakehouse
    links, claims = lakehouse.read(CLAIM_PHOTOS.name), lakehouse.read("claims")
    alone = {
        "photos_without_claim": lakehouse.read("photos").join(links, "photo_id", "left_anti"),
        "claims_without_photo": claims.join(links, "claim_id", "left_anti"),
        "links_to_unknown_claims": links.join(claims, "claim_id", "left_anti"),
    }
    named = [rows.select(F.lit(name).alias("what")) for name, rows in alone.items()]
    together = named[0].union(named[1]).union(named[2])
    counted = {row["what"]: row["count"] for row in together.groupBy("what").count().collect()}
    return {name: counted.get(name, 0) for name in alone}
