"""Which failures are tried again, by themselves or because somebody asks, and how long a pause comes before that."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from udfs.errors import SettingsError
from udfs.outcome import ERROR_CODES, ErrorCode, Status

if TYPE_CHECKING:
    from pyspark.sql import Column

    from jobs.job.context import JobContext

ALL = "all"
LONGEST_PAUSE = 86_400.0
"""Seconds: what fails for long is tried once a day."""
RETRYABLE = tuple(str(code) for code in ErrorCode if code.retryable)

RetryFailed = Annotated[
    str | None,
    typer.Option(
        "--retry-failed",
        metavar="[CODE]",
        help="Try again what failed before, now: all of it, or what has this code (several: with commas).",
    ),
]
"""The option of the jobs that can try again."""


@dataclass(frozen=True)
class Retries:
    """What is tried again at `now`: what may pass once its pause is over, and the codes that were asked for."""

    now: datetime
    first_pause: float
    """Seconds; each further failure doubles them, up to LONGEST_PAUSE."""
    asked: frozenset[str] = frozenset()

    def due(self) -> "Column":
        """Whether a row with error_code and retry_after is to be tried again."""
        from pyspark.sql import functions as F

        code = F.col("error_code")
        waited = F.col("retry_after").isNull() | (F.col("retry_after") <= F.lit(self.now))
        due = code.isin(*RETRYABLE) & waited
        if self.asked:
            due |= code.isin(*self.asked)
        return F.coalesce(due, F.lit(False))

    def after(self, attempts: "Column") -> "Mapping[str, Column]":
        """The columns attempts and retry_after of rows with status and error_code, tried `attempts` times by now."""
        from pyspark.sql import functions as F

        failed = F.col("status") == str(Status.FAILED)
        # The exponent is bounded: a power of two soon is more than any number.
        doubled = F.lit(self.first_pause) * F.pow(F.lit(2.0), F.least(attempts - 1, F.lit(40)))
        micros = F.unix_micros(F.lit(self.now)) + (F.least(doubled, F.lit(LONGEST_PAUSE)) * 1e6).cast("bigint")
        passing = failed & F.col("error_code").isin(*RETRYABLE)
        return {
            "attempts": F.when(failed, attempts).cast("int"),
            "retry_after": F.when(passing, F.timestamp_micros(micros)),
        }


def retries_of(context: "JobContext", option: str | None) -> Retries:
    """What this run tries again, by its settings and the option --retry-failed.

    Raises:
        SettingsError: the option names a code that there is not.
    """
    return Retries(context.clock(), context.settings.limits.retry_pause, asked_codes(option))


def asked_codes(option: str | None) -> frozenset[str]:
    """The codes that --retry-failed names: none where it was not given.

    Raises:
        SettingsError: one of them is no code.
    """
    if option is None:
        return frozenset()
    named = {name.strip() for name in option.split(",")} - {""}
    if ALL in named or not named:
        return frozenset(ERROR_CODES)
    unknown = sorted(named - set(ERROR_CODES))
    if unknown:
        raise SettingsError(f"--retry-failed {unknown[0]}: there is no such code; codes are {', '.join(ERROR_CODES)}.")
    return frozenset(named)
