"""Keeping a Lance dataset small, fast and free of what was deleted."""

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lance import LanceDataset

OWED = "claimlens.purge_owed"
KEPT = timedelta(hours=1)
"""A search opens the newest version and ends in seconds; an hour is ample for it."""


def owe_purge(dataset: "LanceDataset | None") -> None:
    """Write down, before rows go, that their bytes have to leave the files: a killed run leaves the debt behind."""
    if dataset is not None and OWED not in dataset.config():
        dataset.update_config({OWED: "true"})


def optimise(dataset: "LanceDataset") -> None:
    """Compact small files, bring the indexes up to date, and drop old versions.

    Where a purge is owed, every file that holds a hidden row is written anew without it, and every older version goes.
    Which files these are the dataset itself says, whoever deleted from it. The debt is struck off after a look at what
    lies on the disk.
    """
    owed = OWED in dataset.config()
    threshold = 0.0 if owed else 0.1
    dataset.optimize.compact_files(materialize_deletions=True, materialize_deletions_threshold=threshold)
    dataset.optimize.optimize_indices()
    dataset.cleanup_old_versions(older_than=timedelta(0) if owed else KEPT, delete_unverified=owed)
    if owed and not any(fragment.num_deletions for fragment in dataset.get_fragments()):
        dataset.delete_config_keys([OWED])
