"""Texts of claim records to typed values: what cannot be understood is null and flagged, never guessed."""

from typing import TYPE_CHECKING

from jobs.lakehouse.contracts import CLAIMS

if TYPE_CHECKING:
    from pyspark.sql import Column

    from jobs.settings.sections import ClaimSettings

KEYS = ("claim_id", "policy_id", "vehicle_id")
DERIVED = ("flags", "raw", "record_hash", "ingested_at", "run_id", "given_at")
FILLED = tuple(column for column in CLAIMS.columns if column.name not in DERIVED)
"""Columns of claims that a record can fill."""
_INTEGERS = 2**31
_AROUND = r"^[\s\p{Z}\p{Cf}]+|[\s\p{Z}\p{Cf}]+$"
_EXPONENT = r"([eE][+-]?\d{1,3})?"
_NUMBERS = {
    ".": rf"^[+-]?(\d+\.?\d*|\.\d+){_EXPONENT}$",
    ",": rf"^[+-]?(\d+|\d{{1,3}}(\.\d{{3}})+)?(,\d*)?{_EXPONENT}$",
}
"""A number as text, by its decimal sign; with a comma, points may part the thousands."""
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?\s?(Z|UTC|[+-]\d{2}(:?\d{2})?)?)?$"
_ISO_PARTS = r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?(?:[.,](\d{1,6}))?.*)?$"
_FIRST_YEAR, _LAST_YEAR = 1850, 2150
_FIRST_WRITTEN = 1583
"""Some settings of Spark write no day before the Gregorian calendar."""


def typed(text: "Column", name: str, kind: str, settings: "ClaimSettings") -> "tuple[Column, list[Column]]":
    """The value in the column's type, and its flags, each `<column>:<reason>` or null.

    Reasons: unparsed (there is something, which is none), out_of_world (a year that no claim is of; kept), sentinel,
    not_a_key, out_of_range, negative, zero (kept all of them).
    """
    from pyspark.sql import functions as F

    if kind == "STRING":
        return text, _doubts(name, kind, text, settings)
    bare = F.regexp_replace(text, _AROUND, "")
    value = _time(bare, settings).cast(kind) if kind in {"DATE", "TIMESTAMP_NTZ"} else _number(bare, kind, settings)
    unparsed = F.coalesce(F.length(bare) > 0, F.lit(False)) & value.isNull()
    return value, [F.when(unparsed, F.lit(f"{name}:unparsed")), *_doubts(name, kind, value, settings)]


def dirty_key(value: "Column", settings: "ClaimSettings") -> "Column":
    """Whether a key is text that the settings take for none."""
    from pyspark.sql import functions as F

    patterns = "|".join(f"(?:{pattern})" for pattern in settings.dirty_keys)
    return F.coalesce(F.trim(value).rlike(f"^(?:{patterns})$"), F.lit(False)) if patterns else F.lit(False)


def version(settings: "ClaimSettings") -> "Column":
    """When a record, or a row of claims, is of: updated_at where that is mapped, else claimed_at.

    Null where it does not say, or says what no claim is of.
    """
    from pyspark.sql import functions as F

    time = F.col("updated_at" if "updated_at" in settings.columns else "claimed_at")
    sentinel = time.cast("date").cast("string").isin(settings.sentinel_dates)
    return F.when(F.year(time).between(_FIRST_YEAR, _LAST_YEAR) & ~sentinel, time)


def _time(bare: "Column", settings: "ClaimSettings") -> "Column":
    """The time on the clock as it is written, whatever zone is written beside it."""
    from pyspark.sql import functions as F

    part = [F.regexp_extract(bare, _ISO_PARTS, group) for group in range(1, 5)]
    clock = F.when(F.length(part[1]) > 0, part[1]).otherwise(F.lit("00:00"))
    seconds = F.when(F.length(part[2]) > 0, part[2]).otherwise(F.lit(":00"))
    fraction = F.when(F.length(part[3]) > 0, F.concat(F.lit("."), part[3])).otherwise(F.lit(""))
    iso = F.when(bare.rlike(_ISO), F.concat(part[0], F.lit(" "), clock, seconds, fraction).try_cast("timestamp_ntz"))
    # The order of date_formats decides between formats that both fit; Spark parses strictly.
    read = [F.try_to_timestamp(bare, F.lit(pattern)).cast("timestamp_ntz") for pattern in settings.date_formats]
    value = F.coalesce(iso, *read)
    return F.when(F.year(value).between(_FIRST_WRITTEN, 9999), value)


def _number(bare: "Column", kind: str, settings: "ClaimSettings") -> "Column":
    from pyspark.sql import functions as F

    plain = bare
    if settings.decimal == ",":
        plain = F.translate(F.translate(bare, ".", ""), ",", ".")
    # Java would take 500F and 12D for numbers.
    number = F.when(bare.rlike(_NUMBERS[settings.decimal]), plain).try_cast("double")
    fits = ~F.isnan(number) & (F.abs(number) < float("inf"))
    if kind == "INT":
        fits = fits & (number == F.floor(number)) & (F.abs(number) < _INTEGERS)
    return F.when(fits, number).cast(kind)


def _doubts(name: str, kind: str, value: "Column", settings: "ClaimSettings") -> "list[Column]":
    from pyspark.sql import functions as F

    def flag(condition: "Column", reason: str) -> "Column":
        return F.when(condition, F.lit(f"{name}:{reason}"))

    if kind in {"DATE", "TIMESTAMP_NTZ"}:
        sentinel = value.cast("date").cast("string").isin(settings.sentinel_dates)
        beyond = ~F.year(value).between(_FIRST_YEAR, _LAST_YEAR)
        return [flag(sentinel, "sentinel"), flag(beyond & ~sentinel, "out_of_world")]
    if name in KEYS:
        return [flag(dirty_key(value, settings), "not_a_key")]
    if name == "incident_hour":
        return [flag(~value.between(0, 23), "out_of_range")]
    doubts = [flag(value < 0, "negative")] if kind in {"DOUBLE", "INT"} else []
    return [*doubts, flag(value == 0, "zero")] if name == "driver_age" else doubts
