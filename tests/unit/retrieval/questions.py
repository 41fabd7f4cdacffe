"""A searcher over a real index, whose encoder gives vectors that the test knows."""

import io
from types import SimpleNamespace

import numpy as np
from PIL import Image

from jobs.retrieval.question import Query
from jobs.retrieval.searcher import Searcher
from tests.unit.index.index_rows import DIMENSION, MODEL, unit_vectors
from udfs.inference.tasks import EMBED_TEXTS

PHOTO_SEED = 5


def encode(task, contents):
    """A text is a seed; every photo is the vector of seed 5."""
    return np.concatenate(
        [unit_vectors(1, seed=int(content) if task == EMBED_TEXTS else PHOTO_SEED) for content in contents]
    )


def model(model_key=MODEL, has_text=True):
    return SimpleNamespace(name="known", model_key=model_key, dimension=DIMENSION, has_text=has_text)


def picture(colour=(200, 30, 30)):
    target = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(target, "JPEG")
    return target.getvalue()


def searcher(settings, **options):
    return Searcher(settings, model(**options), encode)


def asked(settings, limit=5, **query):
    return searcher(settings).search(Query(limit=limit, **query))


def numbers(result):
    return [int(hit.entity_id, 16) for hit in result.hits]


def best(query, among):
    cosines = {number: float(unit_vectors(1, seed=number)[0] @ query) for number in among}
    return sorted(cosines, key=lambda number: -cosines[number])
