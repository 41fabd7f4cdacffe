"""The table contracts, by subject: columns with comments, keys, constraints and clustering, as plain data."""

from collections.abc import Mapping

from jobs.lakehouse.contracts.claims import CLAIMS
from jobs.lakehouse.contracts.embeddings import EMBEDDINGS
from jobs.lakehouse.contracts.index import INDEX_LEASES, INDEX_STATE
from jobs.lakehouse.contracts.passages import CLAIM_PASSAGES, PASSAGES
from jobs.lakehouse.contracts.photos import CLAIM_PHOTOS, ENDED_LINKS, PHOTO_FILES, PHOTOS, SOURCE_FILES
from jobs.lakehouse.contracts.predictions import ASSESSMENT_STATE, CLAIM_ASSESSMENTS, DAMAGE_PREDICTIONS, HEADS
from jobs.lakehouse.contracts.runs import JOB_RUNS
from jobs.lakehouse.contracts.table import Column, TableContract

__all__ = [
    "ASSESSMENT_STATE",
    "CLAIMS",
    "CLAIM_ASSESSMENTS",
    "CLAIM_PASSAGES",
    "CLAIM_PHOTOS",
    "CONTRACTS",
    "DAMAGE_PREDICTIONS",
    "EMBEDDINGS",
    "ENDED_LINKS",
    "HEADS",
    "INDEX_LEASES",
    "INDEX_STATE",
    "JOB_RUNS",
    "PASSAGES",
    "PHOTOS",
    "PHOTO_FILES",
    "SOURCE_FILES",
    "Column",
    "TableContract",
]

CONTRACTS: Mapping[str, TableContract] = {
    contract.name: contract
    for contract in (
        CLAIMS,
        SOURCE_FILES,
        PHOTO_FILES,
        PHOTOS,
        CLAIM_PHOTOS,
        ENDED_LINKS,
        PASSAGES,
        CLAIM_PASSAGES,
        EMBEDDINGS,
        DAMAGE_PREDICTIONS,
        HEADS,
        CLAIM_ASSESSMENTS,
        ASSESSMENT_STATE,
        INDEX_LEASES,
        INDEX_STATE,
        JOB_RUNS,
    )
}
