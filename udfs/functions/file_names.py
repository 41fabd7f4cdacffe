"""Names of files as text that a table can hold, and back to what the file system calls them."""

import fnmatch
import os
import re
from itertools import product

_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")
_ESCAPED_BYTE = re.compile(rb"\\x([0-9a-f]{2})")
_ESCAPED_GLOB = re.compile(r"\\([*?\[\]{}\\])")
_SIGNS = re.compile(r"\*\*|\[!?\]?[^\]/]*\]|.", re.DOTALL)
_FREE = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
_HIDDEN = re.compile(r"\.|_(SUCCESS|temporary|delta_log|spark_metadata|started_.*|committed_.*|(common_)?metadata)$")


def path_text(path: str) -> str:
    r"""A path as UTF-8 text; a byte that is none, from an old archive, is written \xNN."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")


def path_bytes(text: str) -> bytes:
    """What the file system calls the file that `path_text` gave; independent of the process's locale."""
    raw = text.encode()
    if b"\\x" not in raw or os.path.lexists(raw):
        return raw
    return _ESCAPED_BYTE.sub(lambda found: bytes([int(found[1], 16)]), raw)


def is_hidden(name: str) -> bool:
    """Whether a name is not meant to be seen (.name), or is what Spark leaves beside its data (_SUCCESS).

    Other names that begin with an underscore are photos: cameras write _DSC0001.JPG for Adobe RGB.
    """
    return _HIDDEN.match(name) is not None


def name_pattern(glob: str) -> re.Pattern[str]:
    """A glob for names as a regular expression: *, ?, [a-z], and {a,b} as Hadoop has it."""
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in expanded(glob)))


def java_name_pattern(glob: str) -> str:
    """The same for Java, to be found anywhere in a name: Spark has no other way to ask."""
    return "^(?:" + name_pattern(glob).pattern.replace(r"\Z", r"\z") + ")"


def place_pattern(place: str) -> str:
    """A glob for places as a regular expression of Python's and Java's, which fits the place itself as a whole."""
    return "|".join(f"(?:{''.join(map(_sign, _SIGNS.findall(glob)))})" for glob in expanded(place))


def _sign(sign: str) -> str:
    if sign in _FREE:
        return _FREE[sign]
    if len(sign) == 1:
        return re.escape(sign)
    inner = re.sub(r"([\\\[^&])", r"\\\1", sign[1:-1].removeprefix("!"))
    return f"[^/{inner}]" if sign[1] == "!" else f"[{inner}]"


def expanded(glob: str) -> list[str]:
    r"""A Hadoop glob as globs of Python's: {a,b} written out, and \[ as [[]."""
    parts = _ALTERNATIVES.split(glob)
    choices = [part.split(",") if position % 2 else [part] for position, part in enumerate(parts)]
    written = ["".join(choice) for choice in product(*choices)]
    if any(_ALTERNATIVES.search(pattern) for pattern in written):
        return [inner for pattern in written for inner in expanded(pattern)]
    return [_ESCAPED_GLOB.sub(_in_brackets, pattern) for pattern in written]


def _in_brackets(found: re.Match[str]) -> str:
    return f"[{found[1]}]" if found[1] in "*?[" else found[1]
