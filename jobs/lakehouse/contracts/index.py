"""How far the vector indexes are."""

from jobs.lakehouse.contracts.table import Column, TableContract

INDEX_STATE = TableContract(
    "index_state",
    1,
    "How far each vector index has followed the tables",
    (
        Column("index_name", "STRING", "The index", required=True),
        Column("model_key", "STRING", "The encoder whose vectors it holds", required=True),
        Column("sources", "STRING", "JSON: source table -> {id, version} up to which it has followed", required=True),
        Column("rows", "BIGINT", "Rows in the index", required=True),
        Column("checksum", "STRING", "Order-free checksum over ids and contents", required=True),
        Column("synced_at", "TIMESTAMP", "When it was verified", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
    ),
    key=("index_name",),
)
