"""Which claims show which photos: from a metadata file, or from the photo's path."""

from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CLAIM_PHOTOS, ENDED_LINKS
from jobs.lakehouse.current import gone_photos
from jobs.lakehouse.places import located
from jobs.steps.ingest.link_keeping import PATTERN, brought_in_step
from jobs.steps.ingest.link_records import link_records
from jobs.steps.ingest.matching import SHOWN, matched
from jobs.steps.ingest.paths import java_pattern, plain_name, without_scheme
from jobs.steps.ingest.scope import covered
from udfs.functions.key_batches import key_batches

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Names = dict[str, list[dict[str, Any]]]
INCOMPLETE = {"by_code", "problems"}
"""What the reader says where it could not read all."""


def link_photos(context: JobContext) -> tuple[dict[str, Any], Names]:
    """Bring claim_photos in step with what the source says now; says how many links, and what has no partner.

    A file's links are those that its source names now. One that was corrected or withdrawn there, or came from what the
    file held before, or from a file that is gone, is ended: it moves to ended_links. Files that lie elsewhere keep
    theirs, and so do files that another metadata file has named.

    Returns:
        Counts, and names for whoever runs the job alone: those that fit no file, several, or one nearly.

    Raises:
        InputError: the metadata file is not there, or not what the settings say; or the source names none, or hardly
            any, of the links that it named before.
    """
    settings = context.settings.ingest
    context.lakehouse.ensure(CLAIM_PHOTOS.name, ENDED_LINKS.name)
    files = files_there(context)
    details: dict[str, Any] = {"written": 0, "removed": 0}
    names: Names = {}
    if settings.links.kind == "metadata":
        with link_records(context) as (rows, said):
            notes, names = _by_metadata(context, rows, files, complete=not said.keys() & INCOMPLETE)
            details |= said | notes
    elif settings.photos:
        by_pattern = settings.links.kind == "path_pattern"
        named = _by_pattern(context, files) if by_pattern else None
        details |= brought_in_step(context, named, files, PATTERN if by_pattern else None)
    return details | _partners(context), names


def files_there(context: JobContext) -> "DataFrame":
    """Each path at ingest.photos with the photo that its file holds; of all places where ingest.photos is not set."""
    from pyspark.sql import functions as F

    files = context.lakehouse.read("photo_files").where(F.col("gone_at").isNull())
    files = files.where(covered(context.settings.ingest))
    newest = F.max_by("photo_id", F.struct("modification_time", "first_seen", "length"))
    return files.groupBy("path").agg(newest.alias("photo_id"))


def _by_pattern(context: JobContext, files: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F

    pattern, group = java_pattern(context.settings.ingest.links.pattern, "claim_id")
    named = files.select("path", "photo_id", F.regexp_extract("path", pattern, group).alias("claim_id"))
    keyed = named.mapInArrow(key_batches("claim_id"), named.schema).where("claim_id IS NOT NULL")
    return _of_known_claims(context, keyed)


def _of_known_claims(context: JobContext, found: "DataFrame") -> "DataFrame":
    """Where claims are removed that the source no longer names, the links of such claims stay away too."""
    claims = context.settings.ingest.claims
    if not claims.path or claims.missing != "remove":
        return found
    return found.join(context.lakehouse.read("claims").select("claim_id"), "claim_id", "left_semi")


def _by_metadata(
    context: JobContext, rows: "DataFrame", files: "DataFrame", *, complete: bool
) -> tuple[dict[str, Any], Names]:
    """Photos by relative path where the metadata gives one, else by name; a name of several photos links none. Where
    not all of the file could be read, nobody knows what it does not name: then nothing is withdrawn."""
    from pyspark.sql import functions as F

    written = rows.select(plain_name(F.col("photo")).alias("name"), "claim_id")
    given = (F.length("name") > 0) & (F.length("claim_id") > 0)
    pairs = written.where(given).distinct()
    source = located(context.settings.ingest.links.path or "")
    stored = context.lakehouse.read(CLAIM_PHOTOS.name)
    others = stored.where(F.col("named_by").isNotNull() & ~F.col("named_by").isin(PATTERN, source))
    others = others.select(F.col("source_path").alias("path"), F.col("claim_id").alias("other_claim"))
    with matched(context, pairs.select("name").distinct(), files, others.select("path")) as matches:
        named = pairs.join(matches.fits, "name")
        earlier = _of_an_earlier_delivery(named, others)
        taken = named.join(earlier.select("name", "claim_id"), ["name", "claim_id"], "left_anti")
        shown = earlier.orderBy("name").limit(SHOWN).collect()
        notes: dict[str, Any] = {**matches.counts, "names_of_earlier_photos": earlier.count() if shown else 0}
        notes["rows_without_key"] = written.where(~F.coalesce(given, F.lit(False))).count()
        now = _of_known_claims(context, taken.select("path", "photo_id", "claim_id"))
        notes |= brought_in_step(context, now, files, source, complete=complete)
    names = dict(matches.names)
    if shown:
        names["names_of_earlier_photos"] = [{"name": row["name"], "file": without_scheme(row["path"])} for row in shown]
    _say(context, names)
    return notes, names


def _of_an_earlier_delivery(named: "DataFrame", others: "DataFrame") -> "DataFrame":
    """Bare names that fit only a photo which another metadata file has given to another claim, where this file names
    photos of its own too: it tells of a delivery, and its photo has not arrived. A file that names no photo but those
    of others corrects these."""
    from pyspark.sql import functions as F

    theirs = others.groupBy("path").agg(F.collect_set("other_claim").alias("claims"))
    known = named.join(theirs, "path", "left")
    has_own = not known.where("claims IS NULL").isEmpty()
    doubtful = F.col("claims").isNotNull() & F.col("bare") & ~F.array_contains("claims", F.col("claim_id"))
    return known.where(doubtful & F.lit(has_own))


_WORDS = {
    "names_without_file": "fits no file",
    "ambiguous_names": "fits several files",
    "names_of_earlier_photos": "fits only a photo of an earlier delivery, and was not taken",
}


def _say(context: JobContext, names: Names) -> None:
    """A few of the names that linked nothing, on the terminal."""
    for kind, words in _WORDS.items():
        for row in names.get(kind, [])[:5]:
            near = row.get("nearest") or row.get("file") or ", ".join(row.get("files", ()))
            context.progress.say(f"the links' name {row['name']} {words}{f'; nearest {near}' if near else ''}")


def _partners(context: JobContext) -> dict[str, int]:
    """How many photos, claims and links have nothing to go with; counted in one pass."""
    from pyspark.sql import functions as F

    lakehouse = context.lakehouse
    links, claims = lakehouse.read(CLAIM_PHOTOS.name), lakehouse.read("claims")
    photos = lakehouse.read("photos").join(gone_photos(lakehouse.read("photo_files")), "photo_id", "left_anti")
    alone = {
        "photos_without_claim": photos.join(links, "photo_id", "left_anti"),
        "claims_without_photo": claims.join(links, "claim_id", "left_anti"),
        "links_to_unknown_claims": links.join(claims, "claim_id", "left_anti"),
    }
    named = [rows.select(F.lit(name).alias("what")) for name, rows in alone.items()]
    together = named[0].union(named[1]).union(named[2])
    counted = {row["what"]: row["count"] for row in together.groupBy("what").count().collect()}
    return {name: counted.get(name, 0) for name in alone}
