"""Rows for index tests, in the index's own schema."""

import numpy as np
import pyarrow as pa

from jobs.index.schemas import claims_schema, vectors_schema

DIMENSION = 8


def photo_id(number):
    return f"{number:064x}"


def unit_vectors(count, seed=0, dimension=DIMENSION):
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def vector_rows(numbers, *, revision=0, labels=None, **columns):
    """One photo per number; `revision` changes the contents and the hash, not the key."""
    schema = vectors_schema(DIMENSION)
    numbers = list(numbers)
    values = {
        "entity": ["photo"] * len(numbers),
        "entity_id": [photo_id(number) for number in numbers],
        "vector": list(np.stack([unit_vectors(1, seed=number)[0] for number in numbers])) if numbers else [],
        "labels": [labels or ["dent"]] * len(numbers),
        "severity": ["minor" if number % 2 else "severe" for number in numbers],
        "part": ["door"] * len(numbers),
        "confidence": [0.9] * len(numbers),
        "decision": ["accepted"] * len(numbers),
        "row_hash": [number * 1_000_003 + revision for number in numbers],
        **{name: [value] * len(numbers) for name, value in columns.items()},
    }
    return pa.table(
        [pa.array(values.get(field.name, [None] * len(numbers)), field.type) for field in schema], schema=schema
    )


def claim_rows(links, **columns):
    """One row per (claim id, photo number or None)."""
    schema = claims_schema()
    values = {
        "claim_id": [claim for claim, _ in links],
        "photo_id": ["" if number is None else photo_id(number) for _, number in links],
        "row_hash": list(range(len(links))),
        **columns,
    }
    return pa.table(
        [pa.array(values.get(field.name, [None] * len(links)), field.type) for field in schema], schema=schema
    )


def keys(numbers):
    return pa.table({"entity": ["photo"] * len(numbers), "entity_id": [photo_id(number) for number in numbers]})
