"""The engines that are compared, each in a file of its own; importing one does not import what it measures."""

import importlib

from tests.benchmarks.contract import Engine

ENGINES = (
    "claimlens",
    "spark_pandas_udf",
    "spark_predict_batch_udf",
    "daft",
    "ray",
    "sail",
    "sentence_transformers",
    "dataloader",
)


def engine(name: str) -> Engine:
    """An engine by its name."""
    found: Engine = importlib.import_module(f"tests.benchmarks.engines.{name}").ENGINE
    return found
