"""The one current classifier: which head the settings ask for, and its rows of damage_predictions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.job.model import model_reference
from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS
from udfs.errors import ModelError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from udfs.heads.taxonomy import Taxonomy
    from udfs.heads.zero_shot import ZeroShotHead


@dataclass(frozen=True)
class HeadIdentity:
    """Which predictions settings ask for; known without loading the model. `has_text`: it can make them."""

    taxonomy: "Taxonomy"
    model_key: str
    head_key: str
    has_text: bool
    model_name: str

    @property
    def details(self) -> dict[str, Any]:
        """What every report says about it."""
        return {"taxonomy": self.taxonomy.name, "model_key": self.model_key, "head_key": self.head_key}

    @property
    def reason_to_skip(self) -> str:
        """Why a vision-only model gives no predictions."""
        return (
            f"Model {self.model_name} has no text tower, and zero-shot classification needs one; "
            "set model.name to a CLIP or SigLIP model."
        )


def head_identity(context: JobContext) -> HeadIdentity:
    """The keys under which the settings' model and taxonomy keep their predictions.

    Raises:
        TaxonomyError: the taxonomy is malformed.
        ModelError: the model cannot be described.
    """
    from udfs.heads.taxonomy import load_taxonomy
    from udfs.heads.zero_shot import head_key
    from udfs.models import describe_model

    settings = context.settings
    taxonomy = load_taxonomy(settings.classify.taxonomy)
    model = describe_model(model_reference(settings.model))
    key = head_key(taxonomy, model.model_key)
    return HeadIdentity(taxonomy, model.model_key, key, model.has_text, settings.model.name)


def head_for(context: JobContext) -> "ZeroShotHead":
    """The head of the settings' model and taxonomy; loads the model on the driver to encode the prompts.

    Raises:
        TaxonomyError: the taxonomy is malformed.
        ModelError: the model cannot be loaded, or has no text tower.
    """
    from udfs.heads.zero_shot import build_head
    from udfs.models import load_encoder

    identity = head_identity(context)
    if not identity.has_text:
        raise ModelError(identity.reason_to_skip)
    encoder = load_encoder(model_reference(context.settings.model))
    return build_head(identity.taxonomy, encoder.encode_texts, encoder.model_key, encoder.logit_scale)


def predictions_frame(context: JobContext, head: "ZeroShotHead", vectors: "DataFrame") -> "DataFrame":
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


def predictions(context: JobContext, identity: HeadIdentity) -> "DataFrame":
    """The rows of damage_predictions under the identity's keys."""
    from pyspark.sql import functions as F

    rows = context.lakehouse.read(DAMAGE_PREDICTIONS.name)
    return rows.where((F.col("model_key") == identity.model_key) & (F.col("head_key") == identity.head_key))
