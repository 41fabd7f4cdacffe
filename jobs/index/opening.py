"""Opens the index that the settings name: a store of the house, or one that another package adds."""

from importlib import import_module
from typing import TYPE_CHECKING

from udfs.errors import SettingsError

if TYPE_CHECKING:
    from jobs.index.protocol import IndexReader, IndexStore, IndexWriter
    from jobs.settings.sections import IndexSettings

ENTRY_POINTS = "claimlens.indexes"
_STORES = {"lance": "jobs.index.stores.lance.store"}


def open_reader(settings: "IndexSettings", model_key: str) -> "IndexReader":
    """The index of a model, for searches; needs no Spark.

    Raises:
        SettingsError: no store has the name index.kind.
        InputError: there is no index yet.
        IndexMismatchError: there is one, of another model_key.
    """
    return store_of(settings.kind).open_reader(settings, model_key)


def open_writer(settings: "IndexSettings", model_key: str, dimension: int) -> "IndexWriter":
    """The index of a model, for the job that keeps it in step. Creates nothing before the first write.

    Raises:
        SettingsError: no store has the name index.kind.
        IndexMismatchError: what is there belongs to another model_key or dimension.
    """
    return store_of(settings.kind).open_writer(settings, model_key, dimension)


def store_of(kind: str) -> "IndexStore":
    """The store of a name.

    Raises:
        SettingsError: there is none; names those that there are.
    """
    from importlib.metadata import entry_points

    if kind in _STORES:
        store: IndexStore = import_module(_STORES[kind]).STORE
        return store
    added = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if kind not in added:
        known = ", ".join(sorted({*_STORES, *added}))
        raise SettingsError(f"index.kind: there is no index store {kind!r}; known are {known}.")
    loaded: IndexStore = added[kind].load()
    return loaded
