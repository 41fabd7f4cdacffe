"""Names of photos in one form, for comparing what people and programs write with what files are called."""

import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from pyspark.sql import Column


def loose(name: str | None) -> str | None:
    """A name without what programs change on the way: case, and composed or decomposed letters."""
    if name is None or name.isascii():
        return name and name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def decoded(name: str | None) -> str | None:
    """A name that was written for an address (%20), as it is; any other name as it was."""
    return name and unquote(name)


def loose_form(name: "Column | str") -> "Column":
    """`loose` of a column of text."""
    from pyspark.sql.functions import udf

    return udf(loose, "string", useArrow=True)(name)


def decoded_form(name: "Column | str") -> "Column":
    """`decoded` of a column of text."""
    from pyspark.sql.functions import udf

    return udf(decoded, "string", useArrow=True)(name)
