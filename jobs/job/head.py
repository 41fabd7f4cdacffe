"""The one current classifier: which head the settings ask for, and its rows of damage_predictions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.job.model import CurrentModel
from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS
from udfs.errors import ModelError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.job.context import JobContext
    from udfs.heads.head import Head
    from udfs.heads.taxonomy import Taxonomy


@dataclass(frozen=True)
class CurrentHead:
    """Which predictions the settings ask for; known without loading the model."""

    taxonomy: "Taxonomy"
    model: CurrentModel
    head_key: str

    @property
    def model_key(self) -> str:
        """Of the model whose vectors it reads."""
        return self.model.model_key

    @property
    def has_text(self) -> bool:
        """Whether the model can make the prompts' vectors."""
        return self.model.has_text

    @property
    def details(self) -> dict[str, Any]:
        """What every report says about it."""
        return {"taxonomy": self.taxonomy.name, "model_key": self.model_key, "head_key": self.head_key}

    @property
    def reason_to_skip(self) -> str:
        """Why a vision-only model gives no predictions."""
        return (
            f"Model {self.model.name} has no text tower, and zero-shot classification needs one; "
            "set models.photo.name to a CLIP or SigLIP model."
        )


def current_head(taxonomy: str, model: CurrentModel) -> CurrentHead:
    """The head of a taxonomy, by name or file, and a model.

    Raises:
        TaxonomyError: the taxonomy is malformed.
    """
    from udfs.heads.taxonomy_file import load_taxonomy
    from udfs.heads.zero_shot import head_key

    loaded = load_taxonomy(taxonomy)
    return CurrentHead(loaded, model, head_key(loaded, model.model_key))


def head_for(context: "JobContext") -> "Head":
    """The head itself; loads the model on the driver to encode the prompts.

    Raises:
        TaxonomyError: the taxonomy is malformed.
        ModelError: the model cannot be loaded, or has no text tower.
    """
    from udfs.heads.zero_shot import build_head
    from udfs.models import load_encoder

    head = context.head
    if not head.has_text:
        raise ModelError(head.reason_to_skip)
    encoder = load_encoder(head.model.reference)
    return build_head(head.taxonomy, encoder.encode_texts, encoder.model_key, encoder.logit_scale)


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


def predictions(context: "JobContext", head: CurrentHead) -> "DataFrame":
    """The rows of damage_predictions under the head's keys."""
    from pyspark.sql import functions as F

    rows = context.lakehouse.read(DAMAGE_PREDICTIONS.name)
    return rows.where((F.col("model_key") == head.model_key) & (F.col("head_key") == head.head_key))
