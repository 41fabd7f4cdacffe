"""Names and texts in Spark's SQL: quoted in one place."""

from collections.abc import Iterable


def literal(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(*parts: str) -> str:
    """A name, with its catalog and schema before it, in backticks."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def update_all(columns: Iterable[str]) -> str:
    """MERGE's clause that gives a row the source's values of these columns. Unlike SET *, it leaves a column alone that
    somebody has added to the table."""
    return "UPDATE SET " + ", ".join(f"{identifier(name)} = source.{identifier(name)}" for name in columns)


def insert_all(columns: Iterable[str]) -> str:
    """MERGE's clause that inserts the source's row; a column that somebody has added to the table is null in it."""
    names = [identifier(name) for name in columns]
    return f"INSERT ({', '.join(names)}) VALUES ({', '.join(f'source.{name}' for name in names)})"
