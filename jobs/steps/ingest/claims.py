"""Claim records to typed claims: kept, typed, flagged, never guessed."""

from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CLAIMS
from jobs.lakehouse.writes import stage, upsert
from jobs.steps.ingest.paths import nearest
from jobs.steps.ingest.records import CORRUPT, METADATA, column_names, find_column, read_records
from udfs.errors import InputError, SettingsError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

    from jobs.settings.sections import ClaimSettings

SETTING = "ingest.claims.path"
KEYS = ("policy_id", "vehicle_id")
DERIVED = ("flags", "raw", "record_hash", "ingested_at", "run_id")
EXAMPLES = 20
INTEGERS = 2**31


def ingest_claims(context: JobContext) -> dict[str, Any]:
    """Read, type, flag and upsert the claim records; an unchanged claim writes nothing.

    in = written + unchanged + duplicates + failed. A record without a claim id cannot be a row of claims; it is
    counted as failed, and the first of them are named by file and number.

    Raises:
        InputError: no such file, not of the format, or no column for the claim id.
    """
    from pyspark.sql import functions as F

    settings = context.settings.ingest.claims
    records, missing = typed_claims(context, settings)
    details: dict[str, Any] = {"in": 0, "written": 0, "unchanged": 0, "duplicates": 0, "failed": 0}
    if missing:
        details["missing_columns"] = missing
    if context.dry_run:
        return details | {"in": records.count()}
    lakehouse = context.lakehouse
    marked = records.withColumns({"ingested_at": F.lit(context.clock()), "run_id": F.lit(context.run_id)})
    with stage(lakehouse, marked, context.run_id) as wave:
        keyed, details["in"] = wave.frame.where("claim_id IS NOT NULL"), wave.rows
        details["failed"] = wave.rows - keyed.count()
        if details["failed"]:
            details["by_code"] = {"no_claim_id": details["failed"]}
            details["failed_records"] = _examples(wave.frame.where("claim_id IS NULL"))
        unique = one_per_claim(keyed)
        with stage(lakehouse, unique, context.run_id) as claims:
            compare = tuple(
                column.name for column in CLAIMS.columns[1:] if column.name not in {"ingested_at", "run_id"}
            )
            inserted, updated = upsert(lakehouse, claims.frame, CLAIMS.name, compare=compare)
            flags = (
                claims.frame.select(F.explode("flags").alias("flag")).groupBy("flag").count().orderBy("flag").collect()
            )
            details |= {
                "written": inserted + updated,
                "new": inserted,
                "changed": updated,
                "unchanged": claims.rows - inserted - updated,
                "duplicates": wave.rows - details["failed"] - claims.rows,
                "flagged": {row["flag"]: row["count"] for row in flags},
            }
    return details


def typed_claims(context: JobContext, settings: "ClaimSettings") -> "tuple[DataFrame, list[str]]":
    """The records with the columns of claims, the file and number of each, and the mapped columns they lack."""
    from pyspark.sql import functions as F

    unknown = settings.columns.keys() - {column.name for column in CLAIMS.columns if column.name not in DERIVED}
    if unknown:
        raise SettingsError(f"ingest.claims.columns.{min(unknown)} is not a column of claims that a record can fill.")
    records = read_records(
        context.spark,
        str(settings.path),
        settings.format,
        SETTING,
        multiline=settings.multiline,
        options=settings.options,
    )
    values: dict[str, Column] = {}
    flags: list[Column] = []
    missing = []
    for column in CLAIMS.columns:
        if column.name in DERIVED:
            continue
        name = settings.columns.get(column.name)
        found = find_column(records, name) if name else None
        if found is None:
            if column.name == "claim_id":
                raise InputError(_no_claim_id(records, settings))
            if name:
                missing.append(name)
            values[column.name] = F.lit(None).cast(column.type)
            continue
        value, unparsed = _typed(*found, column.type, settings)
        values[column.name] = value
        flags.append(F.when(unparsed, F.lit(f"{column.name}:unparsed")))
        flags.extend(_doubts(column.name, column.type, value, settings))
    identifier = F.trim(values["claim_id"])
    values["claim_id"] = F.when(F.length(identifier) > 0, identifier)
    given = sorted(name for name in records.columns if name != METADATA)
    raw = F.to_json(F.struct(*(F.col(f"`{name}`") for name in given)))
    values |= {
        "flags": F.array_compact(F.array(*flags)) if flags else F.array().cast("array<string>"),
        "raw": raw,
        "record_hash": F.sha2(raw, 256),
        "source": F.col("_metadata.file_path"),
        "number": F.monotonically_increasing_id(),
    }
    return records.select(*(value.alias(name) for name, value in values.items())), missing


def one_per_claim(claims: "DataFrame") -> "DataFrame":
    """Identical records collapse; of differing ones with one claim id the latest stays, flagged."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    distinct = claims.dropDuplicates(["claim_id", "record_hash"])
    same = Window.partitionBy("claim_id")
    order = same.orderBy(F.col("claimed_at").desc_nulls_last(), F.col("record_hash").desc())
    ranked = distinct.withColumns({"rank": F.row_number().over(order), "records": F.count(F.lit(1)).over(same)})
    flagged = F.when(F.col("records") > 1, F.concat("flags", F.array(F.lit("claim_id:duplicate")))).otherwise(
        F.col("flags")
    )
    return ranked.where("rank = 1").withColumn("flags", flagged).drop("rank", "records")


def _typed(source: "Column", kind: "DataType", wanted: str, settings: "ClaimSettings") -> "tuple[Column, Column]":
    """The value in the wanted type, and whether there was something that could not be understood."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType, DateType, MapType, StructType, TimestampNTZType, TimestampType

    nested = isinstance(kind, ArrayType | MapType | StructType)
    text = F.to_json(source) if nested else source.cast("string")
    if wanted == "STRING":
        return text, F.lit(False)
    given = F.length(F.trim(text)) > 0
    if wanted in {"DATE", "TIMESTAMP_NTZ"}:
        if isinstance(kind, DateType | TimestampType | TimestampNTZType):
            return source.cast(wanted), F.lit(False)
        # The order of date_formats decides between formats that both fit; Spark parses strictly.
        read = [F.try_to_timestamp(F.trim(text), F.lit(pattern)) for pattern in settings.date_formats]
        value = F.coalesce(*read).cast(wanted)
    else:
        number = F.trim(text).try_cast("double")
        fits = ~F.isnan(number) & (F.abs(number) < float("inf"))
        if wanted == "INT":
            fits = fits & (number == F.floor(number)) & (F.abs(number) < INTEGERS)
        value = F.when(fits, number).cast(wanted)
    return value, F.coalesce(given, F.lit(False)) & value.isNull()


def _doubts(name: str, kind: str, value: "Column", settings: "ClaimSettings") -> "list[Column]":
    """What looks wrong in a value that is kept all the same: each a flag or null."""
    from pyspark.sql import functions as F

    def flag(condition: "Column", reason: str) -> "Column":
        return F.when(condition, F.lit(f"{name}:{reason}"))

    if kind in {"DATE", "TIMESTAMP_NTZ"}:
        return [flag(value.cast("date").cast("string").isin(settings.sentinel_dates), "sentinel")]
    if name in (*KEYS, "claim_id"):
        patterns = "|".join(f"(?:{pattern})" for pattern in settings.dirty_keys)
        return [flag(F.trim(value).rlike(f"^(?:{patterns})$"), "not_a_key")] if patterns else []
    if name == "incident_hour":
        return [flag(~value.between(0, 23), "out_of_range")]
    doubts = [flag(value < 0, "negative")] if kind in {"DOUBLE", "INT"} else []
    return [*doubts, flag(value == 0, "zero")] if name == "driver_age" else doubts


def _no_claim_id(records: "DataFrame", settings: "ClaimSettings") -> str:
    name = settings.columns.get("claim_id")
    if name is None:
        return "ingest.claims.columns.claim_id is not set; name the source's column that holds the claim's number."
    names = [other for other in column_names(records) if other not in {CORRUPT, METADATA}]
    if not names:
        return f"{SETTING} = {settings.path}: no record in it could be read as {settings.format}; correct the file."
    return (
        f"{SETTING} = {settings.path} has no column {name}; nearest are {nearest(name, names)}. "
        "Correct ingest.claims.columns.claim_id."
    )


def _examples(rejected: "DataFrame") -> list[dict[str, Any]]:
    # The record itself stays out of the report: it may hold personal data, and reports outlive an erasure.
    from pyspark.sql import functions as F

    number = F.col("number").bitwiseAND(F.lit(2**33 - 1)) + 1
    rows = rejected.select("source", number.alias("number"), "record_hash").orderBy("source", "number")
    return [row.asDict() for row in rows.limit(EXAMPLES).collect()]
