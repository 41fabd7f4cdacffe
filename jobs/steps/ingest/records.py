"""Records of any supported format as a DataFrame, and their columns by dotted name."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING

from jobs.lakehouse.errors import table_is_absent
from jobs.lakehouse.places import located
from jobs.steps.ingest.paths import literal_path
from udfs.errors import InputError, first_line

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
    from pyspark.sql.types import DataType, StructType

CORRUPT = "_corrupt_record"
METADATA = "_metadata"
"""Spark's hidden column about a record's file."""


def read_records(
    spark: "SparkSession", path: str, kind: str, setting: str, *, multiline: bool = True, options: Mapping[str, str]
) -> "DataFrame":
    """The records at `path`. CSV columns stay text (an id keeps its leading zeros), JSON dates too.

    Raises:
        InputError: there is nothing at `path`, or it is not of that format; names `setting`.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    def reader(multiline: bool = multiline) -> "DataFrameReader":
        made = spark.read.format(kind)
        if kind in {"csv", "json"}:
            made = made.option("multiLine", str(multiline).lower())
        if kind == "csv":
            made = made.option("header", "true").option("inferSchema", "false").option("escape", '"')
        for key, value in options.items():
            made = made.option(key, value)
        return made

    try:
        groups = []
        if kind == "csv":
            groups = _files_by_header(file_listing(spark, located(path), options), lambda: reader(multiline=False))
        if len(groups) < 2:
            return reader().load(located(path))
        parts = [reader().schema(schema).load(files) for schema, files in groups]
        whole = [part.select("*", F.col(METADATA).alias(METADATA)) for part in parts]
        return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), whole)
    except PySparkException as error:
        if table_is_absent(error):
            raise InputError(
                f"{setting} = {path}: there is no such {kind} file or table; correct the setting."
            ) from None
        raise InputError(f"{setting} = {path}: cannot be read as {kind} ({first_line(error)[:200]}).") from None


def file_listing(spark: "SparkSession", path: str, options: Mapping[str, str]) -> "DataFrame":
    """The files that a reader with these options finds at `path`: path, modificationTime, length. None is opened."""
    reader = spark.read.format("binaryFile")
    for key, value in options.items():
        reader = reader.option(key, value)
    return reader.load(path).select("path", "modificationTime", "length")


def _files_by_header(
    listed: "DataFrame", reader: "Callable[[], DataFrameReader]"
) -> "list[tuple[StructType, list[str]]]":
    """The CSV files of a listing, those with one header together: Spark reads all of a directory under the first one's.

    `reader` reads line by line: to learn the columns of a file of longer records, Spark takes its name for a glob.
    """
    files = [row["path"] for row in listed.select("path").sort("path").collect()]
    alike: dict[tuple[str, ...], tuple[StructType, list[str]]] = {}
    for file in map(literal_path, files if len(files) > 1 else []):
        schema = reader().load(file).schema
        alike.setdefault(tuple(schema.names), (schema, []))[1].append(file)
    return list(alike.values())


def find_column(frame: "DataFrame", name: str) -> "tuple[Column, DataType] | None":
    """A column by its name, or by dots through nested records, whatever the case; None when there is none."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import StructType

    fields = {field.name.lower(): field for field in frame.schema.fields}
    if name.lower() in fields:
        field = fields[name.lower()]
        return F.col(f"`{field.name}`"), field.dataType
    first, *rest = name.split(".")
    found = fields.get(first.lower())
    if found is None:
        return None
    column, kind = F.col(f"`{found.name}`"), found.dataType
    for part in rest:
        inner = {field.name.lower(): field for field in kind.fields} if isinstance(kind, StructType) else {}
        if part.lower() not in inner:
            return None
        column, kind = column.getField(inner[part.lower()].name), inner[part.lower()].dataType
    return column, kind


def column_names(frame: "DataFrame") -> list[str]:
    """Every column by its dotted name."""
    from pyspark.sql.types import StructType

    def names(schema: StructType, prefix: str) -> list[str]:
        listed = []
        for field in schema.fields:
            if isinstance(field.dataType, StructType):
                listed += names(field.dataType, f"{prefix}{field.name}.")
            else:
                listed.append(prefix + field.name)
        return listed

    return names(frame.schema, "")
