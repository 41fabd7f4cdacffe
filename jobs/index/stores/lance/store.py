"""The store `lance`: one Lance dataset per model_key, on a disk or an object store, without a server."""

from typing import TYPE_CHECKING

from jobs.index.stores.lance.dataset import opened_for_reading

if TYPE_CHECKING:
    from jobs.index.protocol import IndexReader, IndexStore, IndexWriter
    from jobs.settings.sections import IndexSettings


class LanceIndexStore:
    """Opens the Lance datasets below index.root."""

    def open_reader(self, settings: "IndexSettings", model_key: str) -> "IndexReader":
        """See IndexStore."""
        from jobs.index.stores.lance.reader import LanceReader

        return LanceReader(*opened_for_reading(settings.root, model_key))

    def open_writer(self, settings: "IndexSettings", model_key: str, dimension: int) -> "IndexWriter":
        """See IndexStore."""
        from jobs.index.stores.lance.writer import LanceWriter

        return LanceWriter(settings.root, model_key, dimension)


STORE: "IndexStore" = LanceIndexStore()
