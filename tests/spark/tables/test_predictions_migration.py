"""Predictions of contract 1 keep their rows, and take those of a head that knows no margin."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from jobs.lakehouse.contracts import DAMAGE_PREDICTIONS
from jobs.lakehouse.contracts.predictions import CLOSEST, with_closest
from jobs.lakehouse.writes import append_once
from udfs.errors import TableContractError

pytestmark = pytest.mark.slow

FIRST = replace(
    DAMAGE_PREDICTIONS,
    version=1,
    columns=tuple(
        replace(column, required=column.required or column.name in ("confidence", "margin"))
        for column in DAMAGE_PREDICTIONS.columns
        if column is not CLOSEST
    ),
    migrations={},
)
ROW = {
    "photo_id": "a" * 64,
    "model_key": "m",
    "head_key": "h",
    "taxonomy": "small",
    "scores": {"damage/dent": 0.9},
    "labels": ["dent"],
    "decision": "review",
    "predicted_at": datetime(2026, 1, 2, tzinfo=UTC),
    "run_id": "r",
}


def frame(lakehouse, contract, row):
    values = [tuple(row.get(column.name) for column in contract.columns)]
    return lakehouse.spark.createDataFrame(values, contract.schema)


def test_old_predictions_stay_and_new_ones_may_have_no_margin(lakehouse):
    lakehouse._create(FIRST)
    old = frame(lakehouse, FIRST, {**ROW, "confidence": 0.9, "margin": 0.5})
    old.write.format("delta").mode("append").save(lakehouse.path("damage_predictions"))
    with pytest.raises(TableContractError):
        lakehouse.read("damage_predictions")
    with_closest(lakehouse.spark, lakehouse.name("damage_predictions"))  # and a run that was killed right after
    lakehouse.ensure("damage_predictions")
    without = frame(lakehouse, DAMAGE_PREDICTIONS, {**ROW, "head_key": "other"})
    assert append_once(lakehouse, without, "damage_predictions") == 1
    stored = {row["head_key"]: row for row in lakehouse.read("damage_predictions").collect()}
    assert (stored["h"]["margin"], stored["h"]["closest"]) == (0.5, None)
    assert (stored["other"]["margin"], stored["other"]["confidence"]) == (None, None)
