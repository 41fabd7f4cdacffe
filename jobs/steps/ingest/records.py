"""Records of any supported format as rows of one schema: every file to its end, columns by name, values as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.job.context import JobContext
from jobs.lakehouse.errors import table_is_absent
from jobs.lakehouse.places import located
from jobs.steps.ingest.listing import is_local, walked
from jobs.steps.ingest.table_columns import column_names, find_column
from udfs.errors import InputError, first_line
from udfs.functions.list_files import LEFT_OUT
from udfs.functions.read_records import read_records, record_fields, table_records
from udfs.records.columns import Wanted
from udfs.records.form import FOR_LISTING, Kind, form_of
from udfs.records.names import nearest

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

METADATA = "_metadata"
"""Spark's hidden column about a record's file."""


@dataclass(frozen=True)
class Source:
    """Where records come from, and the settings that say so."""

    path: str
    kind: str
    options: Mapping[str, str]
    settings: str
    """ingest.claims or ingest.links."""
    columns: str
    """The setting that names the column without which a record is none."""

    @property
    def place(self) -> str:
        """The path as the setting that the user wrote."""
        return f"{self.settings}.path = {self.path}"

    def in_files(self) -> bool:
        """Whether it is text in files, which our own reader reads."""
        return self.kind in {"csv", "json"}


def records(context: JobContext, source: Source, wanted: Wanted) -> "DataFrame":
    """The rows that `record_fields` describes: records, and what is wrong with records and files. To be run once.

    Raises:
        InputError: nothing is there, or a table does not have the column without which a record is none.
        SettingsError: an option is unknown.
    """
    from pyspark.errors import PySparkException

    try:
        return _of_files(context, source, wanted) if source.in_files() else _of_table(context, source, wanted)
    except PySparkException as error:
        if table_is_absent(error):
            raise absent(source) from None
        raise InputError(f"{source.place}: cannot be read as {source.kind} ({first_line(error)[:200]}).") from None


def absent(source: Source) -> InputError:
    """The error that nothing is there."""
    return InputError(f"{source.place}: there is no such {source.kind} file or table; correct the setting.")


def listed(context: JobContext, source: Source) -> "DataFrame":
    """path, modification_time, length and problem of the source's files; none is opened."""
    from pyspark.sql import functions as F

    place = located(source.path)
    if source.in_files() and is_local(place):
        glob, recursive = (_option(source, name) for name in FOR_LISTING)
        recurses = (recursive or "").lower() == "true"
        found = walked(context.spark, place, glob=glob or "*", recursive=recurses, tasks=1)
        return found.where(F.col("problem").isNull() | ~F.col("problem").isin(*LEFT_OUT))
    reader = context.spark.read.format("binaryFile")
    for key, value in source.options.items():
        reader = reader.option(key, value)
    files = reader.load(place).select("path", F.col("modificationTime").alias("modification_time"), "length")
    return files.withColumn("problem", F.lit(None).cast("string"))


def _option(source: Source, name: str) -> str | None:
    return next((value for key, value in source.options.items() if key.lower() == name.lower()), None)


def _of_files(context: JobContext, source: Source, wanted: Wanted) -> "DataFrame":
    from pyspark.sql import functions as F

    kind: Kind = "csv" if source.kind == "csv" else "json"
    form, fields = form_of(kind, source.options, f"{source.settings}.options"), record_fields(wanted)
    place = located(source.path)
    if is_local(place):
        tasks = context.settings.spark.shuffle_partitions
        files = listed(context, source).select("path", "problem").repartition(tasks)
        return files.mapInArrow(read_records(form, wanted), fields)
    reader = context.spark.read.format("binaryFile")
    for name in FOR_LISTING:
        value = _option(source, name)
        reader = reader if value is None else reader.option(name, value)
    files = reader.load(place).select("path", F.lit(None).cast("string").alias("problem"), "content")
    return files.mapInArrow(read_records(form, wanted), fields)


def _of_table(context: JobContext, source: Source, wanted: Wanted) -> "DataFrame":
    from pyspark.sql import functions as F

    reader = context.spark.read.format(source.kind)
    for key, value in source.options.items():
        reader = reader.option(key, value)
    frame = reader.load(located(source.path))
    found = {ours: find_column(frame, theirs) for ours, theirs in wanted.columns.items()}
    lacking = next((name for name in wanted.needed if found[name] is None), None)
    if lacking:
        theirs = wanted.columns[lacking]
        near = nearest(theirs, (name for name in column_names(frame) if name != METADATA))
        raise InputError(f"{source.place} has no column {theirs}; nearest are {near}. Correct {source.columns}.")
    raw = F.to_json(F.struct(*(F.col(f"`{name}`") for name in sorted(frame.columns))))
    rows = frame.select(
        F.col(f"{METADATA}.file_path").alias("source"),
        (F.monotonically_increasing_id().bitwiseAND(F.lit(2**33 - 1)) + 1).alias("number"),
        raw.alias("raw"),
        *(_text(*column, wanted.decimal).alias(ours) for ours, column in found.items() if column is not None),
    )
    return rows.mapInArrow(table_records(wanted), record_fields(wanted))


def _text(column: "Column", kind: "DataType", decimal: str) -> "Column":
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType, DecimalType, FractionalType, MapType, StructType

    if isinstance(kind, ArrayType | MapType | StructType):
        return F.to_json(column)
    text = column.cast("string")
    return F.translate(text, ".", decimal) if isinstance(kind, DecimalType | FractionalType) else text
