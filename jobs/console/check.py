"""One thing that the doctor looked at."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from udfs.errors import ClaimlensError, first_line

State = Literal["ok", "absent", "advice", "missing", "wrong"]
STATES_TO_MEND: frozenset[State] = frozenset({"missing", "wrong"})
"""States that keep jobs from running. `absent` is fine: no GPU, or a table that the next run makes; `advice` works, and
would work better otherwise."""


@dataclass(frozen=True)
class Check:
    """Its name and state, what was found, and how to mend it (else empty)."""

    name: str
    state: State
    found: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """The check as JSON values."""
        return asdict(self)


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """What `look` finds; an error is a finding too."""
    try:
        return look()
    except ClaimlensError as error:
        return Check(name, "missing", "not usable", first_line(error))
    except Exception as error:
        mend = "claimlens doctor --debug shows more."
        return Check(name, "wrong", f"{type(error).__name__}: {first_line(error)}", mend)
