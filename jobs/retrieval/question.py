"""What is asked of the index: plain data, and whether it can be asked at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from udfs.errors import InputError

if TYPE_CHECKING:
    from jobs.index.filters import Filter

ENTITIES = ("photo", "passage")
LONGEST_SENTENCE = 10_000
"""Characters. No model reads more than a few hundred words; what is longer is a file that was pasted by mistake."""
LARGEST_LIMIT = 1000


@dataclass(frozen=True)
class Query:
    """A question: a sentence, a photo, or a claim whose photos are the question; a sentence may join either.

    `photo` holds the bytes of a photo file, `photo_name` what to call it. `weight` is the sentence's share (0 to 1)
    against the photo's. `where` holds filters as jobs.index.filters reads them; all must hold. `entity` is what to
    find. A claim does not find itself unless `include_self`; its number may be cut short as long as it stays unique.
    """

    sentence: str | None = None
    photo: bytes | None = field(default=None, repr=False)
    photo_name: str | None = None
    claim_id: str | None = None
    weight: float = 0.5
    where: tuple[str, ...] = ()
    limit: int | None = None
    entity: str = "photo"
    include_self: bool = False

    @property
    def words(self) -> str:
        """The sentence without white space around it; empty where none was asked."""
        return (self.sentence or "").strip()

    @property
    def photo_title(self) -> str:
        """What to call the photo."""
        return self.photo_name or "the photo"

    def as_dict(self) -> Mapping[str, Any]:
        """The parts that were asked, as JSON values; of the photo only its name."""
        asked: dict[str, Any] = {
            "sentence": self.sentence,
            "photo": None if self.photo is None else self.photo_title,
            "claim_id": self.claim_id,
            "where": list(self.where),
            "entity": self.entity,
        }
        if self.sentence and (self.photo is not None or self.claim_id):
            asked["weight"] = self.weight
        return {name: value for name, value in asked.items() if value}


def checked(query: Query) -> "list[Filter]":
    """The query's filters, once it is seen that the question makes sense; nothing is read for this.

    Raises:
        InputError: nothing was asked, or more than fits together, or a filter is wrong.
    """
    from jobs.index.filters import is_no_text, parse_filter

    for text in (query.sentence, query.claim_id):
        if text is not None and is_no_text(text):
            raise InputError(f"{text!r}: holds bytes that are no text; write the question in UTF-8.")
    if query.entity not in ENTITIES:
        raise InputError(f"--entity {query.entity}: must be one of {', '.join(ENTITIES)}.")
    if not query.words and query.photo is None and query.claim_id is None:
        raise InputError("Nothing was asked: give a sentence, --photo FILE or --claim ID.")
    if query.claim_id is not None and not query.claim_id.strip():
        raise InputError("--claim is empty: give the number of a claim, or its beginning.")
    if query.photo is not None and query.claim_id is not None:
        raise InputError("Ask with --photo or with --claim, not with both.")
    if len(query.words) > LONGEST_SENTENCE:
        raise InputError(
            f"The sentence has {len(query.words):,} characters, {LONGEST_SENTENCE:,} are the most: "
            "describe the damage in a few words."
        )
    if not 0 <= query.weight <= 1:
        raise InputError(f"--weight {query.weight:g}: must lie between 0 (the photo alone) and 1 (the sentence alone).")
    if query.limit is not None and not 1 <= query.limit <= LARGEST_LIMIT:
        raise InputError(f"--limit {query.limit}: must lie between 1 and {LARGEST_LIMIT:,}.")
    filters = [parse_filter(text) for text in query.where]
    if query.entity != "photo":
        refused = [entry.column for entry in filters if not entry.on_claims]
        if refused:
            raise InputError(
                f"--where {refused[0]}: {query.entity}s have no damage columns; search photos, "
                "or filter on claim columns."
            )
    return filters
