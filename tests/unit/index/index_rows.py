"""Rows for index tests, in the index's own schema."""

import hashlib

import numpy as np
import pyarrow as pa

from jobs.index.schemas import CLAIM_FIELDS, index_schema

DIMENSION = 8
MODEL = "model-a"


def photo_id(number):
    return f"{number:064x}"


def unit_vectors(count, seed=0, dimension=DIMENSION):
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def number_of(text):
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little", signed=True)


def entity_rows(numbers, *, entity="photo", claims=None, **columns):
    """One row per number, whose vector is `unit_vectors(1, seed=number)`. `claims` gives a number's claims, each a
    dictionary with claim_id and what else it says; the hashes follow from the contents, as the tables' do."""
    schema = index_schema(DIMENSION)
    rows = []
    for number in numbers:
        shown = sorted((claims or {}).get(number, []), key=lambda claim: claim["claim_id"])
        row = {
            "entity": entity,
            "entity_id": photo_id(number),
            "vector": unit_vectors(1, seed=number)[0].tolist(),
            "claim_ids": [claim["claim_id"] for claim in shown],
            **{name: [claim.get(name) for claim in shown] for name in CLAIM_FIELDS},
        }
        if entity == "photo":
            row |= {"labels": ["dent"], "severity": "minor" if number % 2 else "severe", "part": "door"}
            row |= {"confidence": 0.9, "decision": "accepted"}
        row |= columns
        hashed = {name: value for name, value in row.items() if name != "vector"}
        rows.append(row | {"row_hash": number_of(repr(hashed)), "vector_hash": number_of(repr(row["vector"]))})
    return pa.Table.from_pylist(rows, schema=schema)


def keys(numbers, entity="photo"):
    schema = pa.schema([("entity", pa.string()), ("entity_id", pa.string())])
    return pa.table([[entity] * len(numbers), [photo_id(number) for number in numbers]], schema=schema)
