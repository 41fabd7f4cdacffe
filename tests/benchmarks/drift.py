"""How far decoding small and the product's own precision move the vectors, on photos of the sets themselves."""

from dataclasses import asdict
from typing import Any

from tests.benchmarks.contract import Work

SAMPLE = 48


def measure_drift(work: Work, began: float) -> dict[str, Any]:
    """See fidelity.Fidelity: cosines to Pillow, the model's own processor and float32, over whole photos of the set."""
    import pyarrow.parquet as pq

    from tests.benchmarks.batch_functions import opened
    from tests.benchmarks.fidelity import fidelity
    from udfs.encoders import ModelReference

    batches = (batch for file in work.files() for batch in pq.ParquetFile(file).iter_batches(8, columns=["jpeg"]))
    jpegs: list[bytes] = []
    for batch in batches:
        jpegs += [jpeg for jpeg in batch["jpeg"].to_pylist() if opened(jpeg) is not None]
        if len(jpegs) >= SAMPLE:
            break
    return asdict(fidelity(ModelReference(name=str(work.model), device="cpu"), jpegs[:SAMPLE]))
