"""Columns of a table by dotted name, whatever their case."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType


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
