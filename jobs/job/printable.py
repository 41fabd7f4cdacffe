"""Text that came with the data, made safe to show."""

import re

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def printable(text: str) -> str:
    """The text without what a terminal or a browser would obey instead of showing it.

    Control characters (escape sequences begin with one), those that turn the direction of writing, and halves of
    surrogate pairs, which no encoding can write, become U+FFFD; line breaks and tabs stay.
    """
    return _UNSEEN.sub(_REPLACEMENT, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The same on one line, white space as single blanks."""
    return " ".join(printable(text).split())
