"""Which claims show which photos: from a metadata file, or from the photo's path."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CLAIM_PHOTOS
from jobs.lakehouse.places import located
from jobs.lakehouse.writes import append_once, delete_keys, stage
from jobs.steps.ingest.link_records import link_records
from jobs.steps.ingest.paths import SCHEME, folder_of, java_pattern, plain_name, without_scheme
from udfs.functions.key_batches import key_batches

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def link_photos(context: JobContext) -> dict[str, Any]:
    """Bring claim_photos in step with what the source says now; says how many links, and what has no partner.

    A file's links are those that its source names now: a link that was corrected there, or that came from what the
    file held before, is removed. Files that the source no longer names, or that lie elsewhere, keep theirs.
    """
    lakehouse, kind = context.lakehouse, context.settings.ingest.links.kind
    lakehouse.ensure(CLAIM_PHOTOS.name)
    details: dict[str, Any] = {"written": 0, "removed": 0}
    if kind != "none":
        with _named(context) as (found, notes):
            details |= notes | _replace(context, found)
    return details | _partners(context)


@contextmanager
def _named(context: JobContext) -> "Iterator[tuple[DataFrame, dict[str, Any]]]":
    """path, photo_id and claim_id of the links that the source names now, and what there is to say of them."""
    settings = context.settings.ingest
    if settings.links.kind == "path_pattern":
        yield _of_known_claims(context, _by_pattern(context)), {}
        return
    with link_records(context) as (rows, notes):
        found, more = _by_metadata(context, rows)
        yield _of_known_claims(context, found), notes | more


def _of_known_claims(context: JobContext, found: "DataFrame") -> "DataFrame":
    """Where claims are removed that the source no longer names, the links of such claims stay away too."""
    claims = context.settings.ingest.claims
    if not claims.path or claims.missing != "remove":
        return found
    return found.join(context.lakehouse.read("claims").select("claim_id"), "claim_id", "left_semi")


def _replace(context: JobContext, found: "DataFrame") -> dict[str, int]:
    from pyspark.sql import functions as F

    lakehouse, key = context.lakehouse, list(CLAIM_PHOTOS.key)
    with stage(lakehouse, found, context.run_id) as wave:
        named = wave.frame
        stored = lakehouse.read(CLAIM_PHOTOS.name)
        new = named.groupBy(*key).agg(F.min("path").alias("source_path")).join(stored, key, "left_anti")
        new = new.withColumns({"first_seen": F.lit(context.clock()), "run_id": F.lit(context.run_id)})
        paths = named.select(F.col("path").alias("source_path"))
        stale = stored.join(paths, "source_path", "left_semi").join(named, key, "left_anti").select(*key)
        written = removed = 0
        with stage(lakehouse, new, context.run_id) as added, stage(lakehouse, stale, context.run_id) as gone:
            if added.rows:
                written = append_once(lakehouse, added.frame, CLAIM_PHOTOS.name)
            if gone.rows and context.settings.ingest.photos:
                removed = delete_keys(lakehouse, gone.frame, CLAIM_PHOTOS.name)
    return {"written": written, "removed": removed}


def _newest_files(context: JobContext) -> "DataFrame":
    """Each path at ingest.photos with the photo that it held last; of all places where ingest.photos is not set."""
    from pyspark.sql import functions as F

    files = context.lakehouse.read("photo_files")
    if context.settings.ingest.photos:
        place = without_scheme(located(context.settings.ingest.photos))
        inner = F.regexp_replace("path", SCHEME, "")
        files = files.where((inner == place) | inner.startswith(f"{folder_of(place)}/"))
    newest = F.max_by("photo_id", F.struct("modification_time", "first_seen", "length"))
    return files.groupBy("path").agg(newest.alias("photo_id"))


def _by_pattern(context: JobContext) -> "DataFrame":
    from pyspark.sql import functions as F

    pattern, group = java_pattern(context.settings.ingest.links.pattern, "claim_id")
    claim = F.regexp_extract("path", pattern, group).alias("claim_id")
    named = _newest_files(context).select("path", "photo_id", claim)
    return named.mapInArrow(key_batches("claim_id"), named.schema).where("claim_id IS NOT NULL")


def _by_metadata(context: JobContext, rows: "DataFrame") -> "tuple[DataFrame, dict[str, Any]]":
    """Photos by relative path where the metadata gives one, else by name; a name of several photos links none."""
    from pyspark.sql import functions as F

    named = rows.select(plain_name(F.col("photo")).alias("name"), "claim_id")
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
