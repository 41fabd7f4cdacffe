"""A classifier of another kind is one class: fitted to labels, with a taxonomy that has no prompts."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from jobs import assess, classify
from jobs.job.context import JobContext
from tests.conftest import settings_in
from tests.spark.models.test_classify import add_rows, embedding, photo_id
from udfs.heads.decision import Predictions, checked_vectors, decide, probabilities
from udfs.heads.taxonomy import Facet, Taxonomy, TaxonomyClass

DAMAGE = Facet("damage", "multi_label", (TaxonomyClass("hail"), TaxonomyClass("none")), none_class="none")
TAXONOMY = Taxonomy("own-labels", 1, (DAMAGE,))


@dataclass(frozen=True)
class FittedHead:
    """A logistic regression per class of the labels."""

    weights: np.ndarray
    bias: np.ndarray
    taxonomy: Taxonomy = TAXONOMY
    head_key: str = "f" * 16
    model_key: str = "model"
    kind: str = "fitted/1"

    def predict(self, vectors) -> Predictions:
        array, norms = checked_vectors(vectors, len(self.weights), self.head_key)
        return decide(self.taxonomy, probabilities(self.taxonomy, array / norms @ self.weights + self.bias))


@pytest.mark.slow
def test_a_fitted_head_classifies_and_assesses_through_the_same_jobs(spark, tmp_path):
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(40, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    hail = vectors[:, 2] > 0
    fitted = LogisticRegression(C=1000).fit(vectors, hail)
    head = FittedHead(fitted.coef_.T.astype(np.float32), fitted.intercept_.astype(np.float32))
    context = JobContext.create(settings_in(tmp_path)).with_head(head)
    add_rows(context, "embeddings", [embedding(number, vector) for number, vector in enumerate(vectors)])
    add_rows(context, "claims", [{"claim_id": "A", "reported_severity": "minor"}])
    add_rows(context, "claim_photos", [{"claim_id": "A", "photo_id": photo_id(int(np.argmax(vectors[:, 2])))}])
    report = classify.run(context)
    assert (report.status, report.counts.written) == ("done", 40)
    stored = {row["photo_id"]: row for row in context.lakehouse.read("damage_predictions").collect()}
    assert [stored[photo_id(n)]["labels"] == ["hail"] for n in range(40)] == hail.tolist()
    assert {(row["head_key"], row["taxonomy"]) for row in stored.values()} == {("f" * 16, "own-labels")}
    assert assess.run(context.next_job()).counts.written == 1
    (assessed,) = context.lakehouse.read("claim_assessments").collect()
    assert (assessed["damages"], assessed["photos_classified"]) == (["hail"], 1)
