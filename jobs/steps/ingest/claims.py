"""Claim records to claims: read to the end, typed, flagged, and merged with what stands."""

from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CLAIMS
from jobs.lakehouse.writes import stage, upsert
from jobs.steps.ingest.claim_values import FILLED, KEYS, dirty_key, typed, version
from jobs.steps.ingest.findings import count, find
from jobs.steps.ingest.missing_claims import settle_missing
from jobs.steps.ingest.records import Source, records
from udfs.errors import InputError, SettingsError
from udfs.functions.merge_records import merge_records
from udfs.records.columns import Wanted
from udfs.records.problem import Code

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.settings.sections import ClaimSettings

NO_CLAIM_ID = "no_claim_id"
COLUMNS = tuple(column.name for column in FILLED)
COMPARED = tuple(column.name for column in CLAIMS.columns[1:] if column.name not in {"ingested_at", "run_id"})


def claim_source(settings: "ClaimSettings") -> Source:
    """Where the claim records are, as the settings say."""
    columns = "ingest.claims.columns.claim_id"
    return Source(str(settings.path), settings.format, settings.options, "ingest.claims", columns)


def ingest_claims(context: JobContext) -> dict[str, Any]:
    """Read, type, flag, merge and upsert the claim records; an unchanged claim writes nothing.

    in = written + unchanged + duplicates + failed. A record that cannot be read, or that has no claim id, cannot be a
    row of claims; it is counted as failed by its code, and the first of them are named by file, number and line.
    `older` of the unchanged claims were delivered as they had been before; `missing` are not named by the records.

    Raises:
        InputError: no such file, not of the format, or no column for the claim id.
    """
    from pyspark.sql import functions as F

    settings, lakehouse = context.settings.ingest.claims, context.lakehouse
    source, wanted = claim_source(settings), _wanted(settings)
    rows = typed_claims(records(context, source, wanted), settings)
    details: dict[str, Any] = {"in": 0, "written": 0, "unchanged": 0, "duplicates": 0, "failed": 0}
    if context.dry_run:
        return details | {"in": count(rows, source)}
    with stage(lakehouse, rows, context.run_id) as wave:
        found = find(context, wave.frame, source, wanted)
        details |= {"in": found.records, "failed": found.failed} | found.report(wanted)
        claims = merged_claims(context, wave.frame.where("number IS NOT NULL AND code IS NULL"))
        marked = claims.withColumns({"ingested_at": F.lit(context.clock()), "run_id": F.lit(context.run_id)})
        with stage(lakehouse, marked, context.run_id) as merged:
            inserted, updated = upsert(lakehouse, merged.frame, CLAIMS.name, compare=COMPARED)
            flags = merged.frame.select(F.explode("flags").alias("flag")).groupBy("flag").count().orderBy("flag")
            details |= {
                "written": inserted + updated,
                "new": inserted,
                "changed": updated,
                "unchanged": merged.rows - inserted - updated,
                "duplicates": found.records - found.failed - merged.rows,
                "older": merged.frame.where("older").count(),
                "flagged": {row["flag"]: row["count"] for row in flags.collect()},
            }
            complete = found.complete() and merged.rows > 0
            details |= settle_missing(context, merged.frame.select("claim_id"), complete=complete)
    return details


def typed_claims(rows: "DataFrame", settings: "ClaimSettings") -> "DataFrame":
    """Rows of `records` with the columns of claims in their types, flags as a list, and record_hash."""
    from pyspark.sql import functions as F

    given = F.when(F.length("flags") > 0, F.split("flags", " ")).otherwise(F.array().cast("array<string>"))
    flags, values, unmapped = [], {}, []
    for column in FILLED:
        if not settings.columns.get(column.name):
            values[column.name] = F.lit(None).cast(column.type)
            unmapped.append(column.name)
            continue
        values[column.name], doubts = typed(F.col(column.name), column.name, column.type, settings)
        flags += doubts
    nameless = F.col("number").isNotNull() & dirty_key(F.col("claim_id"), settings)
    code = F.when(nameless | (F.col("code") == Code.NO_KEY), F.lit(NO_CLAIM_ID)).otherwise(F.col("code"))
    absent = F.concat_ws(" ", F.when(F.length("absent") > 0, F.col("absent")), *map(F.lit, unmapped))
    return rows.select(
        *("source", "number", "line", "detail", "raw"),
        code.alias("code"),
        F.when(F.col("number").isNull(), F.col("absent")).otherwise(absent).alias("absent"),
        F.array_distinct(F.concat(given, F.array_compact(F.array(*flags)))).alias("flags"),
        F.sha2("raw", 256).alias("record_hash"),
        *(value.alias(name) for name, value in values.items()),
    )


def merged_claims(context: JobContext, delivered: "DataFrame") -> "DataFrame":
    """One row a claim of what was delivered and of what stands of these claims, and whether it was `older`."""
    from pyspark.sql import functions as F

    kept = ("flags", "raw", "record_hash")
    time = version(context.settings.ingest.claims).alias("version")
    new = delivered.select(
        *COLUMNS, *kept, F.lit(None).cast("string").alias("given_at"), time, "absent", F.lit(False).alias("stored")
    )
    stored = context.lakehouse.read(CLAIMS.name).join(delivered.select("claim_id").distinct(), "claim_id", "left_semi")
    old = stored.select(*COLUMNS, *kept, "given_at", time, F.lit("").alias("absent"), F.lit(True).alias("stored"))
    together = new.union(old).repartition("claim_id").sortWithinPartitions("claim_id")
    types = {column.name: column.type for column in CLAIMS.columns}
    schema = ", ".join(f"`{name}` {types[name]}" for name in (*COLUMNS, *kept, "given_at"))
    return together.mapInArrow(merge_records(COLUMNS), f"{schema}, older BOOLEAN")


def _wanted(settings: "ClaimSettings") -> Wanted:
    fillable = {column.name for column in FILLED}
    unknown = settings.columns.keys() - fillable
    if unknown:
        raise SettingsError(f"ingest.claims.columns.{min(unknown)} is not a column of claims that a record can fill.")
    if not settings.columns.get("claim_id"):
        raise InputError(
            "ingest.claims.columns.claim_id is not set; name the source's column that holds the claim's number."
        )
    columns = {name: settings.columns[name] for name in COLUMNS if settings.columns.get(name)}
    return Wanted(columns, tuple(name for name in KEYS if name in columns), ("claim_id",), "claim_id", settings.decimal)
