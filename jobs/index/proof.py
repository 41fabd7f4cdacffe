"""The proof that an index holds what the tables say: by contents, both sides read in full."""

from jobs.index.protocol import Fingerprint, IndexWriter
from jobs.index.rows import Pinned, expected, index_rows, with_hashes_of_contents
from udfs.errors import IndexMismatchError


def proved(pinned: Pinned, writer: IndexWriter) -> Fingerprint:
    """The fingerprint of the tables' rows, once the index is found to hold exactly these.

    Hashes are computed anew from every stored row, vectors included, so that one number that was changed is found; and
    the hashes that are stored beside them must be the same, because later syncs reckon with them.

    Raises:
        IndexMismatchError: it does not.
    """
    wanted = expected(index_rows(pinned))
    for what, held in (
        ("contents", expected(with_hashes_of_contents(writer.contents(pinned.lakehouse.spark)))),
        ("stored hashes", writer.fingerprint()),
    ):
        if held != wanted:
            raise IndexMismatchError(
                f"The index {writer.location} does not hold what the tables say: its {what} are {held}, theirs "
                f"{wanted}. Its state was not advanced; run claimlens sync-index again: "
                "it builds the index anew."
            )
    return wanted
