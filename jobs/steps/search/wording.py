"""The question and its answer in a person's words."""

from jobs.job.printable import one_line
from jobs.retrieval.hits import SearchResult


def in_words(result: SearchResult) -> str:
    """The question as a person would put it."""
    query = result.query
    parts = []
    if query.claim_id is not None:
        parts.append(f"like those of claim {result.claim_id or query.claim_id}")
    if query.photo is not None:
        parts.append(f"like {query.photo_title}")
    if query.words:
        parts.append(f"of \u201c{query.words}\u201d")
    text = f"{query.entity.capitalize()}s {' and '.join(parts)}"
    return one_line(f"{text}, where {' and '.join(query.where)}" if query.where else text)


def nothing_found(result: SearchResult) -> str:
    """Why there are no hits."""
    kind = result.query.entity
    return (
        f"no {kind} in the index passes these filters" if result.query.where else f"the index has no {kind}s to compare"
    )


def footing(result: SearchResult) -> str:
    """Where the hits come from."""
    among = "" if result.candidates is None else f", {result.candidates:,} of them on claims that pass the filters"
    seconds = sum(result.seconds.values())
    hits = f"{len(result.hits)} hit{'' if len(result.hits) == 1 else 's'}"
    return f"{hits} among {result.rows:,} indexed vectors{among}; model {result.model_key}; {seconds:.2f} s"
