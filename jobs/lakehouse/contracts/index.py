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

INDEX_LEASES = TableContract(
    "index_leases",
    1,
    "Which run may write an index now",
    (
        Column("index_name", "STRING", "The index", required=True),
        Column("run_id", "STRING", "The job run that writes it", required=True),
        Column("holder", "STRING", "Where that run is: process and machine", required=True),
        Column("taken_at", "TIMESTAMP", "When it was taken or renewed", required=True),
        Column("expires_at", "TIMESTAMP", "When another run may take it", required=True),
    ),
    key=("index_name",),
)
