"""Which file a name in a metadata file means: the one it fits, or nearly fits, where only one photo can be meant."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.lakehouse.places import located
from jobs.lakehouse.writes import Wave, stage
from jobs.steps.ingest.paths import SCHEME, has_glob, without_scheme
from udfs.functions.name_forms import decoded_form, loose_form

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

SHOWN = 20
"""Names of each kind that a report tells."""
FILES_COMPARED = 200_000
"""Files among which the nearest to a name without a file is looked for."""
EXACT, LOOSE, DECODED, WITHOUT_EXTENSION, FOREIGN, FOREIGN_BASE = range(6)
"""How a name fits: as it is; but for case and composition; as an address has it; without its extension; as the end of
a path of another machine; by nothing but the base of such a path."""
_EXTENSION = r"\.[a-z0-9]{2,5}$"
_FOREIGN = r"^([A-Za-z]:)?/"


@dataclass
class Matches:
    """Fits of names, staged: name, path, photo_id of one photo each. Leave its `with` block to free the staging."""

    wave: Wave
    counts: dict[str, int]
    names: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """For whoever runs the job: names without a file, of several, and such as nearly fit; at most SHOWN of each."""

    def __enter__(self) -> "Matches":
        return self

    def __exit__(self, *_: object) -> None:
        self.wave.discard()

    @property
    def fits(self) -> "DataFrame":
        """name, path and photo_id of names that mean one photo, and whether they are `bare` names without a folder."""
        return self.wave.frame.where("photos = 1").select("name", "path", "photo_id", "bare")


def matched(context: JobContext, names: "DataFrame", files: "DataFrame", others: "DataFrame") -> Matches:
    """Look for the file of each name.

    Args:
        context: of the run.
        names: name, each once; with forward slashes.
        files: path and photo_id of the files that may be meant.
        others: path of those among them that another metadata file has named: they come after the rest.
    """
    from pyspark.sql import functions as F

    marked = files.join(others.distinct().withColumn("other", F.lit(True)), "path", "left")
    marked = marked.withColumn("other", F.coalesce("other", F.lit(False)))
    base = F.substring_index
    written = names.withColumn("base", base("name", "/", -1))
    fits = _ends_with("path", "name")
    exact = written.join(marked.withColumn("base", base("path", "/", -1)), "base").where(fits)
    exact = exact.select("name", "path", "photo_id", "other", F.lit(EXACT).alias("tier"))
    with stage(context.lakehouse, _chosen(exact), context.run_id) as found:
        rest = names.join(found.frame, "name", "left_anti")
        every = found.frame
        if not rest.isEmpty():
            nearly = _nearly(context, rest, marked, found.frame.select("path"))
            every = every.unionByName(_chosen(nearly))
        every = names.join(every, "name", "left").withColumn("bare", ~F.ltrim("name", F.lit("/")).contains("/"))
        wave = stage(context.lakehouse, every, context.run_id)
    return _told(wave, files)


def _chosen(fits: "DataFrame") -> "DataFrame":
    """Of all fits of a name the closest, and of these such as no other metadata file has named; one row a name."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    best = F.min(F.struct("tier", "other")).over(Window.partitionBy("name"))
    closest = fits.withColumn("best", best).where("best = struct(tier, other)")
    return closest.groupBy("name", "tier").agg(
        F.min("path").alias("path"),
        F.min("photo_id").alias("photo_id"),
        F.countDistinct("photo_id").alias("photos"),
        F.slice(F.sort_array(F.collect_set("path")), 1, 3).alias("files"),
    )


def _nearly(context: JobContext, names: "DataFrame", files: "DataFrame", meant: "DataFrame") -> "DataFrame":
    """Fits of names that fit no file as they are; `meant` are the paths that other names fit."""
    from pyspark.sql import functions as F

    forms = files.select("*", loose_form("path").alias("form"))
    place = without_scheme(located(context.settings.ingest.photos or "/")).rstrip("/")
    inner = F.regexp_replace("path", SCHEME, "")
    below = F.substring(inner, F.lit(len(place) + 2), F.length(inner))
    relative = F.substring_index("path", "/", -1) if has_glob(place) else below
    whole = forms.withColumn("relative", loose_form(relative)).withColumn("bare_stem", F.lit(False))
    stems = whole.withColumns({"form": F.regexp_replace("form", _EXTENSION, ""), "bare_stem": F.lit(True)})
    there = whole.unionByName(stems).withColumn("base", F.substring_index("form", "/", -1))
    told = names.select("name", loose_form("name").alias("plain"), loose_form(decoded_form("name")).alias("decoded"))
    no_extension = ~F.substring_index("decoded", "/", -1).rlike(_EXTENSION)
    tiers = F.array(
        F.struct(F.lit(LOOSE).alias("tier"), F.col("plain").alias("form"), F.lit(False).alias("bare_stem")),
        F.struct(F.lit(DECODED).alias("tier"), F.col("decoded").alias("form"), F.lit(False).alias("bare_stem")),
        F.when(
            no_extension,
            F.struct(
                F.lit(WITHOUT_EXTENSION).alias("tier"), F.col("decoded").alias("form"), F.lit(True).alias("bare_stem")
            ),
        ),
    )
    asked = told.select("name", F.inline(F.array_compact(tiers)))
    asked = asked.withColumnRenamed("form", "asked").withColumn("base", F.substring_index("asked", "/", -1))
    pairs = asked.join(there, ["base", "bare_stem"])
    within = _ends_with("form", "asked")
    foreign = F.col("name").rlike(_FOREIGN) & ~F.col("bare_stem")
    tier = F.when(within, F.col("tier")).when(foreign & _ends_with("asked", "relative"), F.lit(FOREIGN))
    tier = tier.when(foreign, F.lit(FOREIGN_BASE))
    fits = pairs.withColumn("tier", tier).where("tier IS NOT NULL").select("name", "path", "photo_id", "other", "tier")
    better = fits.where(F.col("tier") < FOREIGN_BASE)
    # The base of a foreign path says little: it is taken where no other name can mean the file.
    only = fits.where(F.col("tier") == FOREIGN_BASE).distinct()
    only = only.join(meant.union(better.select("path")), "path", "left_anti")
    single = only.groupBy("path").agg(F.countDistinct("name").alias("names")).where("names = 1")
    return better.union(only.join(single, "path", "left_semi").select(*fits.columns))


def _ends_with(whole: str, end: str) -> "Column":
    from pyspark.sql import functions as F

    return F.concat(F.lit("/"), F.col(whole)).endswith(F.concat(F.lit("/"), F.ltrim(F.col(end), F.lit("/"))))


def _told(wave: Wave, files: "DataFrame") -> Matches:
    from pyspark.sql import functions as F

    rows = wave.frame
    absent, several = F.col("photos").isNull(), F.col("photos") > 1
    nearly = (F.col("photos") == 1) & (F.col("tier") > EXACT)
    kinds = {"names_without_file": absent, "ambiguous_names": several, "names_nearly_fitting": nearly}
    counted = rows.agg(*(F.count_if(condition).alias(kind) for kind, condition in kinds.items())).collect()[0]
    counts = {kind: int(counted[kind]) for kind in kinds}
    names: dict[str, list[dict[str, Any]]] = {}
    if counts["ambiguous_names"]:
        shown = rows.where(several).orderBy("name").limit(SHOWN).collect()
        names["ambiguous_names"] = [
            {"name": row["name"], "files": list(map(without_scheme, row["files"]))} for row in shown
        ]
    if counts["names_nearly_fitting"]:
        shown = rows.where(nearly).orderBy("name").limit(SHOWN).collect()
        names["names_nearly_fitting"] = [{"name": row["name"], "file": without_scheme(row["path"])} for row in shown]
    if counts["names_without_file"]:
        shown = _with_nearest(rows.where(absent).select("name").orderBy("name").limit(SHOWN), files).collect()
        names["names_without_file"] = [
            {"name": row["name"], "nearest": row["nearest"] and without_scheme(row["nearest"])} for row in shown
        ]
    return Matches(wave, counts, names)


def _with_nearest(names: "DataFrame", files: "DataFrame") -> "DataFrame":
    """The few names, each with the file whose name needs the fewest letters changed; none where that were most."""
    from pyspark.sql import functions as F

    few = files.select("path").limit(FILES_COMPARED)
    candidates = few.withColumn("form", F.lower(F.substring_index("path", "/", -1)))
    asked = names.withColumn("asked", F.lower(F.substring_index("name", "/", -1)))
    distance = F.levenshtein("asked", "form")
    near = candidates.crossJoin(asked.hint("broadcast")).withColumn("distance", distance)
    near = near.where(F.col("distance") <= F.greatest(F.lit(2), F.length("asked") / 2))
    best = near.groupBy("name").agg(F.min_by("path", F.struct("distance", "path")).alias("nearest"))
    return names.join(best, "name", "left").orderBy("name")
