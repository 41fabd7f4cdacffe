"""Names of columns: how they are compared, and which are nearest to one that is not there."""

import difflib
import unicodedata
from collections.abc import Iterable

_AROUND = " \t\r\n\u00a0\ufeff\u200b"


def composed(name: str) -> str:
    """A name without blanks around it, its letters in their composed form."""
    return unicodedata.normalize("NFC", name.strip(_AROUND))


def folded(name: str) -> str:
    """A name as it is compared: in small letters too, and without quotes around it."""
    return composed(name).strip("\"'").casefold()


def nearest(name: str, candidates: Iterable[str], most: int = 5) -> str:
    """The candidates most like the name, for messages; the first ones where none is like it."""
    names = list(candidates)
    close = difflib.get_close_matches(name, names, n=most, cutoff=0.3)
    return ", ".join(close or names[:most]) or "none"
