"""The proof that an index holds what the tables say: by contents, both sides read in full."""

from jobs.index.protocol import Fingerprint, IndexWriter, index_damaged
from jobs.index.rows import Pinned, expected, index_rows, with_hashes_of_contents
from jobs.lakehouse.errors import marked_text
from udfs.errors import IndexMismatchError
from udfs.functions.index_damage import MARK


def proved(pinned: Pinned, writer: IndexWriter) -> Fingerprint:
    """The fingerprint of the tables' rows, once the index is found to hold exactly these.

    Hashes are computed anew from every stored row, vectors included, so that one number that was changed is found; and
    the hashes that are stored beside them must be the same, because later syncs reckon with them.

    Raises:
        IndexMismatchError: it does not.
        IndexDamagedError: it cannot be read.
    """
    wanted = expected(index_rows(pinned))
    try:
        contents = expected(with_hashes_of_contents(writer.contents(pinned.lakehouse.spark)))
    except Exception as error:
        damage = marked_text(error, MARK)  # a task told it
        if damage is None:
            raise
        raise index_damaged(writer.location, damage) from error
    for what, held in (("contents", contents), ("stored hashes", writer.fingerprint())):
        if held != wanted:
            raise IndexMismatchError(
                f"The index {writer.location} does not hold what the tables say: its {what} are {held}, theirs "
                f"{wanted}; claimlens sync-index builds it anew."
            )
    return wanted
