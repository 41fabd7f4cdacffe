"""Names and texts in Spark's SQL: quoted in one place."""


def literal(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(*parts: str) -> str:
    """A name, with its catalog and schema before it, in backticks."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)
