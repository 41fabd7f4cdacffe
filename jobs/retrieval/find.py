"""From a question to hits: filters first, exactly, then vectors. Reads only the index; needs no Spark."""

import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.index.filters import Filter, parse_filter
from jobs.job.model import current_model
from jobs.retrieval.question import CLAIMS_SHOWN, Hit, Query, SearchResult
from udfs.errors import InputError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from PIL.Image import Image

    from jobs.index.stores.lance import LanceStore
    from jobs.settings.sections import IngestSettings, Settings
    from udfs.inference.network import Encoder

ENTITIES = ("photo", "narrative")
QUERY_PHOTOS = 32
"""At most so many photos of a claim are asked with."""
LISTED_IDS = 5000
"""Up to so many candidates are listed in the index's own filter; more are compared here, portion by portion."""
HIT_COLUMNS = (
    "entity_id", "thumbnail", "labels", "severity", "part", "confidence", "decision", "captured_at",
)  # fmt: skip


@dataclass(frozen=True)
class _Question:
    """The query vectors [n, d], the pictures asked with, and the entities that may not answer."""

    vectors: "NDArray[np.float32]"
    pictures: tuple[bytes, ...] = ()
    excluded: tuple[str, ...] = ()


def search(
    settings: "Settings", query: Query, limit: int | None = None, *, encoder: "Encoder | None" = None
) -> SearchResult:
    """Answer a question from the index of the current model.

    Filters are exact: those on claims choose photos in the index's claims table, and only these and what passes the
    filters on damage are compared. The score is the cosine with the query vector: a sentence's, a photo's, their
    weighted and normalised sum, or for a claim the best over its photos.

    Args:
        settings: names the index and the model; the model is loaded only when a sentence or a photo is asked with.
        query: the question.
        limit: number of hits; None takes the query's, else search.limit.
        encoder: a loaded model to use instead of loading one.

    Raises:
        InputError: nothing was asked, a filter is wrong, the photo cannot be read, the claim is unknown, or there is
            no index yet.
        IndexMismatchError: there is only an index of another model.
        ModelError: a sentence was asked of a model without a text tower.
    """
    from jobs.index.stores.lance import LanceStore

    filters = _checked(query)
    wanted = limit or query.limit or settings.search.limit
    started = time.monotonic()
    model_key, has_text = _model(settings, encoder)
    if query.sentence and not has_text:
        raise ModelError(
            f"The model {settings.models.photo.name} has no text tower, so it cannot be asked with a sentence. "
            "Ask with --photo or --claim, or use a model with text."
        )
    index = LanceStore.open(settings.index.root, model_key)
    question = _question(settings, query, index, encoder)
    encoded = time.monotonic()
    where = [f"entity = '{query.entity}'", *(entry.sql for entry in filters if not entry.on_claims)]
    if question.excluded:
        where.append(f"NOT ({_among('entity_id', question.excluded)})")
    on_claims = [entry.sql for entry in filters if entry.on_claims]
    chosen = _chosen(index, on_claims, query.entity) if on_claims else None
    best = _best(index, question.vectors, wanted, where, chosen)
    hits = _hits(index, best, query.entity, on_claims)
    ended = time.monotonic()
    return SearchResult(
        query,
        hits,
        model_key,
        index.location,
        index.count("vectors"),
        None if chosen is None else len(chosen),
        {"question": round(encoded - started, 3), "search": round(ended - encoded, 3)},
        question.pictures,
    )


def _checked(query: Query) -> list[Filter]:
    if query.entity not in ENTITIES:
        raise InputError(f"--entity {query.entity}: must be one of {', '.join(ENTITIES)}.")
    if not (query.sentence or "").strip() and query.photo is None and query.claim_id is None:
        raise InputError("Nothing was asked: give a sentence, --photo FILE or --claim ID.")
    if query.photo is not None and query.claim_id is not None:
        raise InputError("Ask with --photo or with --claim, not with both.")
    if not 0 <= query.weight <= 1:
        raise InputError(f"--weight {query.weight:g}: must lie between 0 (the photo alone) and 1 (the sentence alone).")
    filters = [parse_filter(text) for text in query.where]
    if query.entity == "narrative":
        refused = [entry.column for entry in filters if not entry.on_claims]
        if refused:
            raise InputError(
                f"--where {refused[0]}: narratives have no damage columns; search photos, or filter on claim columns."
            )
    return filters


def _model(settings: "Settings", encoder: "Encoder | None") -> tuple[str, bool]:
    if encoder is not None:
        return encoder.model_key, encoder.has_text
    model = current_model(settings.models.photo)
    return model.model_key, model.has_text


def _question(settings: "Settings", query: Query, index: "LanceStore", encoder: "Encoder | None") -> _Question:
    import numpy as np

    sentence = (query.sentence or "").strip()
    photo = None if query.photo is None else read_photo(query.photo, settings.ingest)
    asked = None if query.claim_id is None else _claim_question(index, query.claim_id, query)
    if (sentence or photo is not None) and encoder is None:
        from udfs.models import load_encoder

        encoder = load_encoder(current_model(settings.models.photo).reference)
    if photo is not None and encoder is not None:
        asked = _Question(encoder.encode_photos([photo]), (_small(photo),))
    if sentence and encoder is not None:
        text = encoder.encode_texts([sentence])[0]
        if asked is None:
            return _Question(text[np.newaxis])
        mixed = query.weight * text + (1 - query.weight) * asked.vectors
        return _Question(_unit(mixed), asked.pictures, asked.excluded)
    if asked is None:
        raise InputError("Nothing was asked: give a sentence, --photo FILE or --claim ID.")
    return asked


def _claim_question(index: "LanceStore", claim_id: str, query: Query) -> _Question:
    import numpy as np

    linked = _rows(index.scan("claims", where=f"claim_id = {_quoted(claim_id)}", columns=("photo_id",)))
    if not linked:
        raise InputError(
            f"There is no claim {claim_id} in the index {index.location}. Check the id, or run claimlens sync-index."
        )
    own = tuple(sorted(row["photo_id"] for row in linked if row["photo_id"]))
    if query.entity == "narrative":
        own = (claim_id,)
    where = f"entity = '{query.entity}' AND ({_among('entity_id', own)})" if own else "false"
    found = _rows(index.scan("vectors", where=where, columns=("entity_id", "vector", "thumbnail"), limit=QUERY_PHOTOS))
    if not found:
        kind = "narrative" if query.entity == "narrative" else "photo"
        raise InputError(f"Claim {claim_id} has no {kind} with a vector in the index; ask with a sentence instead.")
    vectors = np.asarray([row["vector"] for row in found], dtype=np.float32)
    pictures = tuple(row["thumbnail"] for row in found if row["thumbnail"])
    return _Question(vectors, pictures, () if query.include_self else own)


def read_photo(path: "Path", settings: "IngestSettings") -> "Image":
    """The photo of a question, upright and in RGB, cleaned as photos are that enter the tables.

    Raises:
        InputError: the file is not there or is not a readable photo; says which.
    """
    from udfs.images.decode import decode_rgb
    from udfs.images.sanitise import SanitiseLimits, sanitise

    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"--photo {path}: cannot be read ({error.strerror}).") from None
    limits = SanitiseLimits(
        longest_side=settings.longest_side,
        jpeg_quality=settings.jpeg_quality,
        maximum_bytes=settings.maximum_bytes,
        maximum_pixels=settings.maximum_pixels,
    )
    cleaned = sanitise(content, limits)
    if cleaned.jpeg is None:
        raise InputError(
            f"--photo {path}: not a photo that can be read ({cleaned.error_code}: {cleaned.error_detail})."
        )
    return decode_rgb(cleaned.jpeg)


def _chosen(index: "LanceStore", conditions: Sequence[str], entity: str) -> "pa.Array":
    """Ids of the photos (or narratives) of the claims that pass the filters, sorted, once each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = "photo_id" if entity == "photo" else "claim_id"
    found = [batch.column(column) for batch in index.scan("claims", where=_all(conditions), columns=(column,))]
    ids = pc.unique(pa.chunked_array(found, pa.string()))
    return ids.filter(pc.not_equal(ids, "")).sort()


def _best(
    index: "LanceStore", vectors: "NDArray[np.float32]", limit: int, where: list[str], chosen: "pa.Array | None"
) -> dict[str, tuple[float, dict[str, Any]]]:
    """Best cosine over the query vectors per entity, and its row; at most `limit` entities, best first."""
    if chosen is not None and not len(chosen):
        return {}
    if chosen is not None and len(chosen) > LISTED_IDS:
        scores = _compared(index, vectors, limit, _all(where), chosen)
        among = _all([where[0], _among("entity_id", tuple(scores))])
        rows = _rows(index.scan("vectors", where=among, columns=HIT_COLUMNS))
        found = {row["entity_id"]: (scores[row["entity_id"]], row) for row in rows}
    else:
        listed = [*where, _among("entity_id", tuple(chosen.to_pylist()))] if chosen is not None else where
        found = {}
        for vector in vectors:
            for row in index.nearest(vector, limit, where=_all(listed), columns=HIT_COLUMNS).to_pylist():
                key, score = row["entity_id"], float(row["score"])
                if key not in found or found[key][0] < score:
                    found[key] = (score, row)
    ranked = sorted(found.items(), key=lambda entry: (-entry[1][0], entry[0]))
    return dict(ranked[:limit])


def _compared(
    index: "LanceStore", vectors: "NDArray[np.float32]", limit: int, where: str, chosen: "pa.Array"
) -> dict[str, float]:
    """The best among very many chosen ids, exactly, a portion at a time."""
    import numpy as np
    import pyarrow.compute as pc

    best: list[tuple[float, str]] = []
    for batch in index.scan("vectors", where=where, columns=("entity_id", "vector")):
        kept = batch.filter(pc.is_in(batch.column("entity_id"), value_set=chosen))
        if not kept.num_rows:
            continue
        matrix = kept.column("vector").flatten().to_numpy(zero_copy_only=False).reshape(kept.num_rows, -1)
        scores = (matrix @ vectors.T).max(axis=1)
        top = np.argsort(-scores, kind="stable")[:limit]
        ids = kept.column("entity_id").take(top).to_pylist()
        best = sorted([*best, *zip((-scores[top]).tolist(), ids, strict=True)])[:limit]
    return {key: -negative for negative, key in best}


def _hits(
    index: "LanceStore", best: dict[str, tuple[float, dict[str, Any]]], entity: str, on_claims: Sequence[str]
) -> tuple[Hit, ...]:
    if not best:
        return ()
    column = "photo_id" if entity == "photo" else "claim_id"
    among = _among(column, tuple(best))
    columns = ("claim_id", "photo_id", "reported_severity", "narrative")
    linked = _rows(index.scan("claims", where=among, columns=columns))
    passing = {row["claim_id"] for row in linked}
    if on_claims:
        passed = index.scan("claims", where=_all([among, *on_claims]), columns=("claim_id",))
        passing = {row["claim_id"] for row in _rows(passed)}
    claims: dict[str, dict[str, dict[str, Any]]] = {}
    for row in sorted(linked, key=lambda row: (row["claim_id"] not in passing, row["claim_id"])):
        claims.setdefault(row[column], {})[row["claim_id"]] = row
    return tuple(_hit(rank, found, claims.get(key, {}), entity) for rank, (key, found) in enumerate(best.items(), 1))


def _hit(rank: int, found: tuple[float, dict[str, Any]], claims: dict[str, dict[str, Any]], entity: str) -> Hit:
    score, row = found
    reported = sorted({claim["reported_severity"] for claim in claims.values() if claim["reported_severity"]})
    narrative = next(iter(claims.values()), {}).get("narrative") if entity == "narrative" else None
    return Hit(
        rank=rank,
        score=score,
        photo_id=row["entity_id"],
        claim_ids=tuple(claims)[:CLAIMS_SHOWN],
        claims=len(claims),
        labels=tuple(row["labels"] or ()),
        severity=row["severity"],
        part=row["part"],
        confidence=None if row["confidence"] is None else round(float(row["confidence"]), 4),
        decision=row["decision"],
        reported_severities=tuple(reported),
        captured_at=row["captured_at"].isoformat(sep=" ") if row["captured_at"] else None,
        narrative=narrative,
        thumbnail=row["thumbnail"],
    )


def _rows(batches: "Iterable[pa.RecordBatch]") -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


def _unit(vectors: "NDArray[np.float32]") -> "NDArray[np.float32]":
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit


def _small(photo: "Image") -> bytes:
    copy = photo.copy()
    copy.thumbnail((256, 256))
    target = io.BytesIO()
    copy.save(target, "JPEG", quality=80)
    return target.getvalue()


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(f"({condition})" for condition in conditions)


def _among(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(_quoted(value) for value in values)})" if values else "false"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
