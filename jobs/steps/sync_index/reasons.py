"""Why an index has to be built anew: what the change feeds cannot tell, in a person's words."""

from collections.abc import Mapping

from jobs.index.protocol import IndexWriter
from jobs.index.rows import Pinned
from jobs.index.state import DAMAGED, State
from jobs.lakehouse.errors import in_words


def reason_to_rebuild(pinned: Pinned, writer: IndexWriter, state: State | None, ids: Mapping[str, str]) -> str | None:
    """Why the index must be built anew, or None when the change feeds can say what it lacks."""
    if state is None or not state.versions:
        return "first sync"
    reason = tables_replaced(pinned, state, ids)
    if reason is None and state.unfinished == DAMAGED:
        reason = "the last sync found that the index does not hold what the tables say"
    if reason is None and (damage := writer.damage()) is not None:
        reason = f"the index is damaged: {damage}"
    if reason is not None or state.unfinished is not None or state.index_version == writer.version() is not None:
        return reason
    held = writer.fingerprint()
    if held != state.fingerprint:
        return f"the index was changed from outside: it holds {held}, its state says {state.fingerprint}"
    return None


def tables_replaced(pinned: Pinned, state: State, ids: Mapping[str, str]) -> str | None:
    """Tables to which no change feed leads from what the state remembers, and what has happened to them."""
    known = state.versions
    happened = {
        "made anew since the last sync": [name for name in ids if state.table_ids.get(name, ids[name]) != ids[name]],
        "no longer there": sorted(known.keys() - pinned.versions.keys()),
        "older than at the last sync": [name for name, at in pinned.versions.items() if at < known.get(name, at)],
    }
    return next((f"{what}: {', '.join(tables)}" for what, tables in happened.items() if tables), None)


def feed_is_unreadable(error: Exception) -> str:
    """The reason where a change feed raised this. Whatever keeps it from being read (VACUUM, a log that was cleaned),
    what the tables hold is right."""
    return f"the change feed since the last sync cannot be read: {in_words(error)}"
