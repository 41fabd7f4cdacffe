"""Which claim is meant: its number in full, or its beginning as long as only one claim begins so."""

import difflib
from typing import TYPE_CHECKING

from udfs.errors import InputError

if TYPE_CHECKING:
    from jobs.index.protocol import IndexReader

NAMED = 10
COMPARED = 2000
"""At most so many numbers are looked at, to count those that begin alike or to name the nearest."""


def claim_meant(index: "IndexReader", asked: str) -> str:
    """The full number of the claim that is meant.

    Raises:
        InputError: several claims begin so (names up to ten of them), or none does (names the nearest).
    """
    wanted = asked.strip()
    found = index.claims_like(wanted, COMPARED)
    if wanted in found:
        return wanted
    same = [claim for claim in found if claim.lower() == wanted.lower()]
    if len(same) == 1:
        return same[0]
    if len(found) == 1:
        return found[0]
    if found:
        many = f"{len(found):,}{' or more' if len(found) >= COMPARED else ''}"
        more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
        raise InputError(
            f"--claim {wanted}: {many} claims begin so: {', '.join(found[:NAMED])}{more}. Give more of the number."
        )
    nearest = _nearest(index, wanted)
    hint = f"the nearest is {nearest}" if nearest else "check the number, or run claimlens sync-index"
    raise InputError(f"There is no claim {wanted} in the index {index.location}; {hint}.")


def _nearest(index: "IndexReader", wanted: str) -> str | None:
    """The number most like it among those that share the longest beginning with it."""
    for length in range(len(wanted) - 1, -1, -1):
        alike = index.claims_like(wanted[:length], COMPARED)
        if alike:
            by_lower = {claim.lower(): claim for claim in alike}
            near = difflib.get_close_matches(wanted.lower(), list(by_lower), n=1, cutoff=0.6)
            return by_lower[near[0]] if near else None
    return None
