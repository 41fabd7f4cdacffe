"""The resident searcher: opened once, asked by many. Question -> retrieve -> fuse -> rerank -> hits."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.retrieval.claims import claim_meant
from jobs.retrieval.fuse import fused
from jobs.retrieval.hits import SearchResult, hits_of
from jobs.retrieval.question import Query, checked
from udfs.errors import InputError, ModelError
from udfs.inference.tasks import EMBED_PHOTOS, EMBED_TEXTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jobs.index.protocol import Found
    from jobs.job.model import CurrentModel
    from jobs.retrieval.encoding import Encode
    from jobs.settings.sections import Settings

Rerank = Callable[[Query, "Sequence[Found]"], "Sequence[Found]"]
"""Puts what was found for a question in a better order, and may leave some out."""
QUERY_PHOTOS = 32
"""At most so many photos of a claim are asked with: those whose ids come first."""


@dataclass(frozen=True)
class _Question:
    """The query vectors [n, d], what was asked with, and the entities that may not answer."""

    vectors: "NDArray[np.float32]"
    claim_id: str | None = None
    photo: bytes | None = None
    photo_ids: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


class Searcher:
    """Answers questions from the index of one model. Several threads may ask at the same time.

    Each question reads the index as it is at that moment, so that a sync shows at once.
    """

    def __init__(
        self, settings: "Settings", model: "CurrentModel", encode: "Encode", *, rerank: Rerank | None = None
    ) -> None:
        """Open the index of `model`; `encode` makes vectors of questions.

        Raises:
            InputError: there is no index yet.
            IndexMismatchError: there is only an index of another model.
        """
        from jobs.index.opening import open_reader

        self._settings = settings
        self._model = model
        self._encode = encode
        self._rerank = rerank
        self._index = open_reader(settings.index, model.model_key)

    @classmethod
    def open(cls, settings: "Settings", *, say: Callable[[str], None] = lambda _: None) -> "Searcher":
        """The searcher of these settings. The model is asked for only by a question that has words or a photo.

        Args:
            settings: name the index and the model.
            say: told when an answer has to wait, and for what; and when the model did not read all of a question.

        Raises:
            ModelError: the model cannot be described.
            InputError: there is no index yet.
            IndexMismatchError: there is only an index of another model.
        """
        from jobs.job.model import current_model
        from jobs.retrieval.encoding import encoding_by_host

        model = current_model(settings.models.photo)
        return cls(settings, model, encoding_by_host(model, say))

    def search(self, query: Query) -> SearchResult:
        """Answer one question.

        Filters are exact: those on claims choose photos by the claims' columns, and only these and what passes the
        filters on damage are compared. The score is the cosine with the query vector: a sentence's, a photo's, their
        weighted and normalised sum, or for a claim the best over its photos.

        Raises:
            InputError: nothing was asked, a filter is wrong, the photo cannot be read, or the claim is unknown.
            ModelError: a sentence was asked of a model without a text tower, or the model cannot be loaded.
        """
        filters = checked(query)
        on_claims = [entry for entry in filters if entry.on_claims]
        limit = query.limit or self._settings.search.limit
        started = time.monotonic()
        question = self._question(query)
        encoded = time.monotonic()
        found = self._index.nearest(question.vectors, limit, filters, entity=query.entity, exclude=question.excluded)
        ranked: Sequence[Found] = fused([found], limit)
        if self._rerank is not None:
            ranked = self._rerank(query, ranked)
        return SearchResult(
            query,
            hits_of(ranked, filters),
            self._model.model_key,
            self._index.location,
            self._index.count(),
            self._index.count(on_claims, entity=query.entity) if on_claims else None,
            {"question": round(encoded - started, 3), "search": round(time.monotonic() - encoded, 3)},
            question.claim_id,
            question.photo,
            question.photo_ids,
        )

    def _question(self, query: Query) -> _Question:
        import numpy as np

        if query.words and not self._model.has_text:
            raise ModelError(
                f"The model {self._model.name} has no text tower, so it cannot be asked with a sentence. "
                "Ask with --photo or --claim, or use a model with text."
            )
        asked = self._of_claim(query) if query.claim_id is not None else self._of_photo(query)
        if not query.words:
            return asked
        words = self._encode(EMBED_TEXTS, [query.words])
        if not len(asked.vectors):
            return _Question(words)
        mixed = query.weight * words + (1 - query.weight) * asked.vectors
        lengths = np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
        unit = (mixed / lengths).astype(np.float32)
        return _Question(unit, asked.claim_id, asked.photo, asked.photo_ids, asked.excluded)

    def _of_photo(self, query: Query) -> _Question:
        import numpy as np

        if query.photo is None:
            return _Question(np.empty((0, self._model.dimension), np.float32))
        from jobs.retrieval.encoding import sanitised

        photo = sanitised(query.photo, query.photo_title, self._settings.ingest)
        return _Question(self._encode(EMBED_PHOTOS, [photo]), photo=photo)

    def _of_claim(self, query: Query) -> _Question:
        import numpy as np

        claim_id = claim_meant(self._index, query.claim_id or "")
        own = [row for row in self._index.of_claim(claim_id, query.entity, with_vectors=True) if row.vector is not None]
        if not own:
            raise InputError(
                f"Claim {claim_id} has no {query.entity} with a vector in the index; ask with a sentence instead."
            )
        ids = tuple(row.entity_id for row in own)
        return _Question(
            np.asarray([row.vector for row in own[:QUERY_PHOTOS]], dtype=np.float32),
            claim_id,
            photo_ids=ids if query.entity == "photo" else (),
            excluded=() if query.include_self else ids,
        )
