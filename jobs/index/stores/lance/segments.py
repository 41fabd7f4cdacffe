"""The indexes of a Lance dataset: of columns that filters ask, of words, and of vectors once there are many."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lance import LanceDataset
    from pyspark.sql import DataFrame

SCALAR = (("entity", "BITMAP"), ("entity_id", "BTREE"), ("claim_ids", "LABEL_LIST"), ("text", "INVERTED"))


def build(dataset: "LanceDataset", rows: "DataFrame") -> None:
    """Build what a dataset that was written anew needs."""
    del rows
    for column, kind in SCALAR:
        dataset.create_scalar_index(column, kind)
