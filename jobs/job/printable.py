"""Text that came with the data, made safe to show."""

import json
import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""What a terminal or a browser obeys instead of showing it, and what no encoding can write."""
_REPLACEMENT = "\ufffd"


def printable(text: str) -> str:
    """The text without what a terminal or a browser would obey instead of showing it.

    Control characters (escape sequences begin with one), those that turn the direction of writing or tag it unseen, and
    halves of surrogate pairs, which no encoding can write, become U+FFFD; line breaks and tabs stay.
    """
    return _UNSEEN.sub(_REPLACEMENT, text.replace("\r\n", "\n"))


def printable_json(text: str) -> str:
    """JSON in which the same characters stand as escapes, so that a program reads what was written, and a terminal
    shows it."""
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1] if found[0] > "\x1f" else found[0], text)


def printable_value(value: object) -> object:
    """For a template's `finalize`: a text is made printable, and what is markup already stays."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def one_line(text: str) -> str:
    """The same on one line, white space as single blanks."""
    return " ".join(printable(text).split())
