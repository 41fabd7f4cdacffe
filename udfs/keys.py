"""Keys as text: what names a claim, a policy or a photo, whichever program wrote it; and what is no key at all."""

import re
import unicodedata

_NO_VALUE = frozenset(
    (
        *("null", "(null)", "nil", "none", "nan", "na", "n/a", "n.a.", "nat", "<na>", "#n/a", "#na", "undefined"),
        *("inf", "infinity", "1.#qnan", "1.#ind"),
        *("#value!", "#ref!", "#name?", "#null!", "#num!", "#div/0!"),
    )
)
"""What programs write where there is no value, in small letters and without a sign before it."""
_WHOLE = re.compile(r"([+-]?)(0|[1-9]\d*)\.(0+)")
_SCIENTIFIC = re.compile(r"([+-]?)([1-9])(?:\.(\d+))?(E|E\+|e\+|e)(\d{1,3})")
_BLANK = re.compile(r"\s")
_AROUND = "".join(map(chr, range(0x21))) + "\x7f"
"""Blanks and what controls a terminal."""
_MOST_DIGITS = 40


def key_of(value: str | None, *, number: bool = False) -> str | None:
    """The key that a value stands for, as text; None where it stands for none.

    Blanks around it go, no-break and zero-width ones too, and letters take their composed form (NFC). A whole number
    that a program wrote as a fraction is that number: 10000001.0 and 1.0000001E7 are 10000001. Leading zeros stay, and
    so does 1.000, which may be a thousand. NULL, nan, N/A, #N/A, and whatever has no letter and no digit, is no key;
    nor is a number that a spreadsheet has rounded for display (1.23457E+17), since others look the same.

    Args:
        value: the text.
        number: it was written as a number, as in JSON: then 1E5 is 100000, and 1.000 is 1.
    """
    if value is None:
        return None
    text = value
    if not value.isascii():
        visible = "".join(sign for sign in value if unicodedata.category(sign) != "Cf")
        text = unicodedata.normalize("NFC", _BLANK.sub(" ", visible))
    text = text.strip(_AROUND)
    if text.casefold().lstrip("+-") in _NO_VALUE or not any(map(str.isalnum, text)):
        return None
    return _without_fraction(text, number=number)


def _without_fraction(text: str, *, number: bool) -> str | None:
    whole = _WHOLE.fullmatch(text)
    if whole:
        sign, digits, zeros = whole.groups()
        thousands = len(digits) <= 3 and len(zeros) == 3 and not number
        return text if thousands else _signed(sign, digits)
    scientific = _SCIENTIFIC.fullmatch(text)
    if not scientific:
        return text
    sign, first, rest, mark, power = scientific.groups()
    if rest is None and mark in {"E", "e"} and not number:
        return text  # 1E5 may be a name
    digits, exponent = first + (rest or "").rstrip("0"), int(power)
    if len(digits) > exponent + 1 or exponent > _MOST_DIGITS:
        return text
    if mark == "E+" and not number and len(digits) < exponent + 1:
        return None  # a spreadsheet shows no more digits than fit
    return _signed(sign, digits.ljust(exponent + 1, "0"))


def _signed(sign: str, digits: str) -> str:
    return f"-{digits}" if sign == "-" and digits != "0" else digits
