"""The one current classifier: which head a run classifies with, and its rows of damage_predictions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.job.model import CurrentModel
from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS, HEADS
from jobs.lakehouse.writes import append_once
from udfs.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from jobs.job.context import JobContext
    from udfs.heads.head import Head
    from udfs.heads.taxonomy import Taxonomy


@dataclass(frozen=True)
class CurrentHead:
    """Whose predictions a run is about; known without loading a model.

    `reason_to_skip` says why it cannot classify, where it cannot. `made` is the head itself, where it was given ready
    made; the head of a taxonomy is made by head_for when it is needed.
    """

    taxonomy: "Taxonomy"
    kind: str
    model_key: str
    head_key: str
    reason_to_skip: str | None = None
    made: "Head | None" = None

    def reads(self, model_key: str) -> bool:
        """Whether it can classify vectors of that model."""
        return self.reason_to_skip is None and self.model_key == model_key

    @property
    def details(self) -> dict[str, Any]:
        """What every report says about it."""
        return {"taxonomy": self.taxonomy.name, "model_key": self.model_key, "head_key": self.head_key}


def taxonomy_head(taxonomy: str, model: CurrentModel) -> CurrentHead:
    """The zero-shot head of a taxonomy, by name or file, and a model.

    Raises:
        TaxonomyError: the taxonomy is malformed.
    """
    from udfs.heads.taxonomy_file import load_taxonomy
    from udfs.heads.zero_shot import KIND, head_key

    loaded = load_taxonomy(taxonomy)
    reason = None
    if not model.has_text:
        reason = (
            f"Model {model.name} has no text tower, and zero-shot classification needs one; "
            "set models.photo.name to a CLIP or SigLIP model."
        )
    return CurrentHead(loaded, KIND, model.model_key, head_key(loaded, model.model_key), reason)


def given_head(head: "Head") -> CurrentHead:
    """A head that was made elsewhere, such as a fitted one."""
    return CurrentHead(head.taxonomy, head.kind, head.model_key, head.head_key, made=head)


def head_for(context: "JobContext") -> "Head":
    """The head itself. The prompts of a taxonomy are encoded on an executor, by the model that embeds the photos.

    Raises:
        TaxonomyError: the taxonomy is malformed.
        ModelError: the model cannot be loaded, has no text tower, or fails on a prompt.
    """
    from udfs.heads.zero_shot import build_head

    head = context.head
    if head.made is not None:
        return head.made
    if head.reason_to_skip:
        raise ModelError(head.reason_to_skip)
    return build_head(
        head.taxonomy, lambda texts: _encoded(context, texts), head.model_key, context.model.description.logit_scale
    )


def predictions_frame(context: "JobContext", head: "Head", vectors: "DataFrame") -> "DataFrame":
    """Rows of damage_predictions for (photo_id, vector) rows; lazy, so stage it before it is merged."""
    from pyspark.sql import functions as F

    from udfs.functions.classify import PREDICTION_SCHEMA, classify_batches

    predicted = vectors.select("photo_id", "vector").mapInArrow(classify_batches(head), PREDICTION_SCHEMA)
    return predicted.select(
        "*",
        F.lit(head.model_key).alias("model_key"),
        F.lit(head.head_key).alias("head_key"),
        F.lit(head.taxonomy.name).alias("taxonomy"),
        F.lit(context.clock()).alias("predicted_at"),
        F.lit(context.run_id).alias("run_id"),
    )


def entered_head(context: "JobContext") -> "Head":
    """The head, for whoever is about to write its predictions: the table `heads` says what it is.

    Raises:
        TaxonomyError, ModelError: see head_for.
    """
    head = head_for(context)
    _enter(context, head)
    return head


def _enter(context: "JobContext", head: "Head") -> None:
    from pyspark.sql import functions as F

    from udfs.heads.taxonomy import taxonomy_content, taxonomy_key

    known = context.lakehouse.read(HEADS.name).where(F.col("head_key") == head.head_key)
    if not known.isEmpty():
        return
    row = {
        "head_key": head.head_key,
        "kind": head.kind,
        "taxonomy": head.taxonomy.name,
        "taxonomy_key": taxonomy_key(head.taxonomy),
        "model_key": head.model_key,
        "content": json.dumps(taxonomy_content(head.taxonomy), ensure_ascii=False),
        "made_at": context.clock(),
        "run_id": context.run_id,
    }
    frame = context.spark.createDataFrame([tuple(row[column.name] for column in HEADS.columns)], HEADS.schema)
    append_once(context.lakehouse, frame, HEADS.name)


def of_head(rows: "DataFrame", head: CurrentHead) -> "DataFrame":
    """Of a table's rows those under the head's keys."""
    from pyspark.sql import functions as F

    return rows.where((F.col("model_key") == head.model_key) & (F.col("head_key") == head.head_key))


def predictions(context: "JobContext", head: CurrentHead) -> "DataFrame":
    """The rows of damage_predictions under the head's keys."""
    return of_head(context.lakehouse.read(DAMAGE_PREDICTIONS.name), head)


def _encoded(context: "JobContext", texts: Sequence[str]) -> "NDArray[np.float32]":
    """Unit vectors (texts, dimension), from the process that holds the model on an executor."""
    import numpy as np

    from udfs.functions.embed import EMBEDDING_SCHEMA, embed_text_batches

    model = context.model
    rows = [(str(number), text) for number, text in enumerate(texts)]
    prompts = context.spark.createDataFrame(rows, "entity_id string, text string").coalesce(1)
    encoded = prompts.mapInArrow(
        embed_text_batches(model.reference, model.settings.batch_size, cores=model.settings.cores), EMBEDDING_SCHEMA
    )
    found = {row["entity_id"]: row for row in encoded.collect()}
    for number, text in rows:
        row = found.get(number)
        if row is None or row["vector"] is None:
            said = row["error_detail"] or row["error_code"] if row else "no answer"
            raise ModelError(f"Model {model.name} gave no vector for the prompt {text!r} ({said}); change the prompt.")
    return np.array([found[number]["vector"] for number, _ in rows], np.float32)
